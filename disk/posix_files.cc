// SPDX-License-Identifier: Apache-2.0
#include "disk/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>
#include <utility>

namespace kvorum::disk {
namespace {

#ifdef IOV_MAX
constexpr size_t kMaxPieces = IOV_MAX;
#else
constexpr size_t kMaxPieces = 1024;
#endif

Status Failed(const char* call, const std::string& path, int error) {
  StatusCode code = StatusCode::kIo;
  if (error == ENOENT) code = StatusCode::kNotFound;
  if (error == ENOSPC || error == EDQUOT) code = StatusCode::kNoSpace;
  return {code, path + ": " + call + ": " + std::generic_category().message(error)};
}

template <class Call>
auto Retried(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
    size_t next = 0;    // the piece to continue with
    size_t within = 0;  // bytes of it that are written
    while (true) {
      vectors_.clear();
      for (size_t i = next; i < pieces.size() && vectors_.size() < kMaxPieces; ++i) {
        const std::string_view rest = pieces[i].substr(i == next ? within : 0);
        if (!rest.empty()) vectors_.push_back({const_cast<char*>(rest.data()), rest.size()});
      }
      if (vectors_.empty()) {
        // Only empty pieces fitted the list: step over them, or be done.
        next += kMaxPieces;
        within = 0;
        if (next >= pieces.size()) return Status::Ok();
        continue;
      }
      const ssize_t written = Retried([&] {
        return ::pwritev(fd_.get(), vectors_.data(), static_cast<int>(vectors_.size()),
                         static_cast<off_t>(offset));
      });
      if (written < 0) return Failed("pwritev", path_, errno);
      if (written == 0) return Failed("pwritev", path_, EIO);
      offset += static_cast<uint64_t>(written);
      within += static_cast<size_t>(written);
      while (next < pieces.size() && within >= pieces[next].size()) within -= pieces[next++].size();
      if (next == pieces.size()) return Status::Ok();
    }
  }

  Result<size_t> ReadAt(uint64_t offset, size_t n, std::string& out) override {
    const size_t before = out.size();
    out.resize(before + n);
    size_t got = 0;
    while (got < n) {
      const ssize_t read = Retried([&] {
        return ::pread(fd_.get(), out.data() + before + got, n - got,
                       static_cast<off_t>(offset + got));
      });
      if (read < 0) {
        const int error = errno;
        out.resize(before);
        return Failed("pread", path_, error);
      }
      if (read == 0) break;
      got += static_cast<size_t>(read);
    }
    out.resize(before + got);
    return got;
  }

  Status SyncData() override {
    if (Retried([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return Failed("fdatasync", path_, errno);
    }
    return Status::Ok();
  }

  Result<uint64_t> Size() override {
    struct stat info = {};
    if (::fstat(fd_.get(), &info) != 0) return Failed("fstat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  Status Truncate(uint64_t size) override {
    if (Retried([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return Failed("ftruncate", path_, errno);
    }
    return Status::Ok();
  }

  Status Allocate(uint64_t size) override {
    int error = EINTR;
    while (error == EINTR) error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    return error == 0 ? Status::Ok() : Failed("posix_fallocate", path_, error);
  }

 private:
  Descriptor fd_;
  std::string path_;
  std::vector<iovec> vectors_;  // reused
};

class PosixLock final : public Lock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;  // closing it releases the lock
};

Result<Descriptor> OpenPath(const std::string& path, int flags) {
  const int fd = Retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) return Failed("open", path, errno);
  return Descriptor(fd);
}

Status SyncPath(const std::string& path) {
  Result<Descriptor> fd = OpenPath(path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return fd.status();
  if (Retried([&] { return ::fsync(fd.value().get()); }) != 0) return Failed("fsync", path, errno);
  return Status::Ok();
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

PosixFiles::PosixFiles(std::string root) : root_(std::move(root)) {}

std::string PosixFiles::Full(const std::string& path) const {
  if (root_.empty()) return path.empty() ? "." : path;
  return path.empty() ? root_ : JoinPath(root_, path);
}

Result<std::unique_ptr<File>> PosixFiles::Open(const std::string& path, OpenMode mode) {
  int flags = O_RDWR;
  if (mode == OpenMode::kRead) flags = O_RDONLY;
  if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT | O_TRUNC;
  Result<Descriptor> fd = OpenPath(Full(path), flags);
  if (!fd.ok()) return fd.status();
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd).value(), path));
}

Status PosixFiles::Rename(const std::string& from, const std::string& to) {
  if (::rename(Full(from).c_str(), Full(to).c_str()) != 0) return Failed("rename", from, errno);
  return Status::Ok();
}

Status PosixFiles::Remove(const std::string& path) {
  if (::unlink(Full(path).c_str()) != 0) return Failed("unlink", path, errno);
  return Status::Ok();
}

Result<std::vector<std::string>> PosixFiles::List(const std::string& dir) {
  DIR* handle = ::opendir(Full(dir).c_str());
  if (handle == nullptr) return Failed("opendir", dir, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(handle)) {
    if (entry->d_type != DT_DIR) names.emplace_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(handle);
  if (error != 0) return Failed("readdir", dir, error);
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFiles::MakeDir(const std::string& dir) {
  const std::string path = Full(dir);
  struct stat info = {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return Status::Ok();
    return Failed("mkdir", path, ENOTDIR);
  }
  const std::string parent = ParentOf(path);
  if (parent != path && ::stat(parent.c_str(), &info) != 0) {
    PosixFiles plain("");
    if (Status s = plain.MakeDir(parent); !s.ok()) return s;
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("mkdir", path, errno);
  return SyncPath(parent);
}

Status PosixFiles::SyncDir(const std::string& dir) { return SyncPath(Full(dir)); }

Result<bool> PosixFiles::Exists(const std::string& path) {
  struct stat info = {};
  if (::stat(Full(path).c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return Failed("stat", path, errno);
}

Result<uint64_t> PosixFiles::FreeBytes(const std::string& dir) {
  struct statvfs info = {};
  if (Retried([&] { return ::statvfs(Full(dir).c_str(), &info); }) != 0) {
    return Failed("statvfs", dir, errno);
  }
  return static_cast<uint64_t>(info.f_bavail) * static_cast<uint64_t>(info.f_frsize);
}

Result<std::unique_ptr<Lock>> PosixFiles::LockFile(const std::string& path) {
  Result<Descriptor> fd = OpenPath(Full(path), O_RDWR | O_CREAT);
  if (!fd.ok()) return fd.status();
  if (Retried([&] { return ::flock(fd.value().get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) {
      return Status(StatusCode::kBusy, path + ": another process holds the lock");
    }
    return Failed("flock", path, errno);
  }
  return std::unique_ptr<Lock>(std::make_unique<PosixLock>(std::move(fd).value()));
}

}  // namespace kvorum::disk
