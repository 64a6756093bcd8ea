# Warnings, hardening and sanitizers for every target of ours.
add_library(kvorum_options INTERFACE)
target_include_directories(kvorum_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(kvorum_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers -fno-omit-frame-pointer -fstack-protector-strong)
if(KVORUM_WERROR)
  target_compile_options(kvorum_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these under optimization (GCC bugs 105651, 107138).
  target_compile_options(kvorum_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
else()
  target_compile_options(kvorum_options INTERFACE -Wno-gnu-zero-variadic-macro-arguments -Wno-missing-designated-field-initializers)
endif()
target_compile_options(kvorum_options INTERFACE -Wno-pedantic)
if(KVORUM_SANITIZE)
  target_compile_options(kvorum_options INTERFACE -fsanitize=${KVORUM_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(kvorum_options INTERFACE -fsanitize=${KVORUM_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(kvorum_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(KVORUM_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "KVORUM_FUZZ needs clang: see scripts/fuzz")
  endif()
  # Coverage for libFuzzer everywhere; its main only in its own targets.
  target_compile_options(kvorum_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(kvorum_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(kvorum_options INTERFACE -Wl,-z,relro,-z,now)
include(CheckPIESupported)
check_pie_supported()

# kvorum_library(<folder> SOURCES ... LINK ...): the one target of a folder.
function(kvorum_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(kvorum_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(kvorum_${name} PUBLIC kvorum_options ${ARG_LINK})
endfunction()

# kvorum_test(<name> SOURCES ... LINK ...): one GoogleTest binary, run as one ctest entry. Data-driven
# tests find their scripts through KVORUM_SOURCE_DIR.
function(kvorum_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE KVORUM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS "${ARG_LABELS}")
endfunction()
