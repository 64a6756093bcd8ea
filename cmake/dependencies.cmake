# find_package first, pkg-config second; what is missing is named in the distribution's words.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

macro(kvorum_need found package)
  if(NOT ${found})
    message(FATAL_ERROR "Missing dependency: install ${package} (scripts/install-packages does it).")
  endif()
endmacro()

find_package(Boost 1.81 QUIET)
kvorum_need(Boost_FOUND "libboost1.81-dev or newer (Debian 12), libboost-dev (Debian 13, Ubuntu 24.04)")
add_library(kvorum_asio INTERFACE)
target_link_libraries(kvorum_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(kvorum_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_DATE_TIME)
if(KVORUM_SANITIZE MATCHES thread)
  # TSan does not know fences; locks order what crosses threads here.
  target_compile_definitions(kvorum_asio INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

find_package(absl QUIET)
kvorum_need(absl_FOUND libabsl-dev)

pkg_check_modules(XXHASH QUIET IMPORTED_TARGET libxxhash)
kvorum_need(XXHASH_FOUND libxxhash-dev)
pkg_check_modules(LZ4 QUIET IMPORTED_TARGET liblz4)
kvorum_need(LZ4_FOUND liblz4-dev)
pkg_check_modules(ISAL QUIET IMPORTED_TARGET libisal)
kvorum_need(ISAL_FOUND libisal-dev)

find_package(prometheus-cpp QUIET)
kvorum_need(prometheus-cpp_FOUND prometheus-cpp-dev)
find_package(civetweb QUIET)
kvorum_need(civetweb_FOUND libcivetweb-dev)
find_package(spdlog QUIET)
kvorum_need(spdlog_FOUND libspdlog-dev)

# The allocator is left out under sanitizers, which bring their own.
if(NOT KVORUM_SANITIZE)
  pkg_check_modules(JEMALLOC QUIET IMPORTED_TARGET jemalloc)
  kvorum_need(JEMALLOC_FOUND libjemalloc-dev)
endif()

if(KVORUM_TESTS)
  find_package(GTest QUIET)
  kvorum_need(GTest_FOUND libgtest-dev)
  # Debian 12's hiredis has a broken CMake file.
  pkg_check_modules(HIREDIS QUIET IMPORTED_TARGET hiredis)
  kvorum_need(HIREDIS_FOUND libhiredis-dev)
endif()
if(KVORUM_BENCHMARKS)
  find_package(benchmark QUIET)
  kvorum_need(benchmark_FOUND libbenchmark-dev)
endif()
