// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a node: stands between it and the kernel for files below its data folder, and for
// the wall clock. Obeys tests/chaos/disk_control.h and keeps the journal that is described there.
//
// A sync is a pause and a note in the journal: what a process that is killed has written stays in
// the page cache anyway, and what a power loss takes is decided by the journal, not by the device.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/chaos/disk_control.h"

namespace kvorum::chaos {
namespace {

template <class Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

using OpenCall = int (*)(const char*, int, ...);
using WriteCall = ssize_t (*)(int, const iovec*, int, off_t);
using ReadCall = ssize_t (*)(int, void*, size_t, off_t);
using TruncateCall = int (*)(int, off_t);
using RenameCall = int (*)(const char*, const char*);
using PathCall = int (*)(const char*);
using SpaceCall = int (*)(const char*, struct statvfs*);
using ClockCall = int (*)(clockid_t, timespec*);

int RealOpen(const char* path, int flags, mode_t mode = 0600) {
  static const auto call = Real<OpenCall>("open");
  return call(path, flags, mode);
}
ssize_t RealRead(int fd, void* bytes, size_t n, off_t offset) {
  static const auto call = Real<ReadCall>("pread");
  return call(fd, bytes, n, offset);
}
int RealTruncate(int fd, off_t size) {
  static const auto call = Real<TruncateCall>("ftruncate");
  return call(fd, size);
}
int RealRename(const char* from, const char* to) {
  static const auto call = Real<RenameCall>("rename");
  return call(from, to);
}
int RealUnlink(const char* path) {
  static const auto call = Real<PathCall>("unlink");
  return call(path);
}
int RealClock(clockid_t clock, timespec* out) {
  static const auto call = Real<ClockCall>("clock_gettime");
  return call(clock, out);
}

void PauseMicros(uint32_t us) {
  const timespec time{us / 1'000'000, static_cast<long>(us % 1'000'000) * 1000};
  nanosleep(&time, nullptr);
}

// Takes one of `count`, if there is one left.
bool Take(std::atomic<uint32_t>& count) {
  uint32_t left = count.load();
  while (left > 0 && !count.compare_exchange_weak(left, left - 1)) {
  }
  return left > 0;
}

struct Place {
  std::string directory;  // below the data folder; empty: that itself
  std::string name;
};

class Shim {
 public:
  // nullptr: this process is none of ours.
  static Shim* Get() { return active; }

  static void Start() {
    const char* control = getenv(kControlVariable);
    const char* root = getenv(kRootVariable);
    const char* journal = getenv(kJournalVariable);
    if (control == nullptr || root == nullptr || journal == nullptr) return;
    const int fd = RealOpen(control, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void* page = mmap(nullptr, sizeof(DiskControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) active = new Shim(static_cast<DiskControl*>(page), root, journal);
  }

  DiskControl& control() { return *control_; }
  std::mutex& mutex() { return mutex_; }

  [[nodiscard]] bool Ours(const char* path) const {
    const size_t n = root_.size();
    return std::strncmp(path, root_.c_str(), n) == 0 && (path[n] == '/' || path[n] == '\0');
  }
  [[nodiscard]] bool Tracked(int fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < tracked_.size() && tracked_[fd] != 0;
  }
  void Track(int fd, bool ours) {
    if (fd < 0 || static_cast<size_t>(fd) >= tracked_.size()) return;
    tracked_[fd] = ours ? 1 : 0;
  }

  // One more call that changes the disk: the process may be meant to die here.
  void Count() {
    control_->calls.fetch_add(1);
    uint32_t left = control_->kill_at_call.load();
    while (left > 0 && !control_->kill_at_call.compare_exchange_weak(left, left - 1)) {
    }
    if (left == 1) raise(SIGKILL);
  }

  [[nodiscard]] Place PlaceOf(const char* path) const {
    std::string rest(path + root_.size());
    while (!rest.empty() && rest.front() == '/') rest.erase(0, 1);
    const size_t slash = rest.find_last_of('/');
    if (slash == std::string::npos) return {"", rest};
    return {rest.substr(0, slash), rest.substr(slash + 1)};
  }

  // The names that `directory` (below the data folder) has in doubt.
  [[nodiscard]] std::string NamesJournal(std::string directory) const {
    std::replace(directory.begin(), directory.end(), '/', '%');
    return journal_ + "/dir-" + directory;
  }

  std::string BuryUnder(const char* path) {
    std::string grave = "grave-" + std::to_string(getpid()) + "-" + std::to_string(++graves_);
    if (link(path, (journal_ + "/" + grave).c_str()) != 0) return {};
    return grave;
  }

  void NoteName(const Place& place, Change change, const std::string& other,
                const std::string& grave) {
    NameRecord record;
    record.change = change;
    place.name.copy(record.name, sizeof(record.name) - 1);
    other.copy(record.other, sizeof(record.other) - 1);
    grave.copy(record.grave, sizeof(record.grave) - 1);
    const int fd =
        RealOpen(NamesJournal(place.directory).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
    Put(fd, &record, sizeof(record));
    close(fd);
  }

  // What `fd` holds in [offset, offset + length) is about to change.
  void NoteBytes(int fd, Change change, uint64_t offset, uint64_t length) {
    struct stat info = {};
    fstat(fd, &info);
    FileRecord record;
    record.change = change;
    record.offset = offset;
    record.length = length;
    record.size_before = static_cast<uint64_t>(info.st_size);
    if (offset < record.size_before) record.kept = std::min(length, record.size_before - offset);
    bytes_.resize(sizeof(record) + record.kept);
    std::memcpy(bytes_.data(), &record, sizeof(record));
    if (record.kept > 0) {
      (void)RealRead(fd, bytes_.data() + sizeof(record), record.kept, static_cast<off_t>(offset));
    }
    const int journal = JournalOf(info.st_ino);
    if (journal >= 0) Put(journal, bytes_.data(), bytes_.size());
    if (bytes_.capacity() > (size_t{1} << 20)) bytes_.shrink_to_fit();
  }

  // A new file: whatever had its inode before is history.
  void ForgetBytes(int fd) {
    struct stat info = {};
    if (fstat(fd, &info) != 0) return;
    RealTruncate(JournalOf(info.st_ino), 0);
  }

  struct Mark {
    int journal = -1;
    off_t size = 0;
  };
  Mark BeginSync(int fd) {
    struct stat info = {};
    fstat(fd, &info);
    Mark mark{JournalOf(info.st_ino), 0};
    if (fstat(mark.journal, &info) == 0) mark.size = info.st_size;
    return mark;
  }
  // What was noted before the sync began is safe; what came during it is not.
  void EndSync(const Mark& mark) {
    struct stat info = {};
    if (fstat(mark.journal, &info) != 0) return;
    if (info.st_size <= mark.size) {
      RealTruncate(mark.journal, 0);
      return;
    }
    std::string rest(static_cast<size_t>(info.st_size - mark.size), '\0');
    (void)RealRead(mark.journal, rest.data(), rest.size(), mark.size);
    RealTruncate(mark.journal, 0);
    Put(mark.journal, rest.data(), rest.size());
  }
  void EndNameSync(const std::string& directory) {
    const std::string path = NamesJournal(directory);
    const int fd = RealOpen(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    NameRecord record;
    off_t at = 0;
    std::vector<std::string> graves;
    while (RealRead(fd, &record, sizeof(record), at) == sizeof(record)) {
      if (record.grave[0] != '\0') graves.push_back(journal_ + "/" + record.grave);
      at += sizeof(record);
    }
    RealTruncate(fd, 0);
    close(fd);
    for (const std::string& grave : graves) RealUnlink(grave.c_str());
  }

 private:
  Shim(DiskControl* control, const char* root, const char* journal)
      : control_(control), root_(root), journal_(journal), tracked_(4096) {}

  int JournalOf(ino_t inode) {
    const auto [found, fresh] = journals_.try_emplace(inode, -1);
    if (fresh) {
      const std::string path = journal_ + "/ino-" + std::to_string(inode);
      found->second = RealOpen(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC);
    }
    return found->second;
  }

  static void Put(int fd, const void* bytes, size_t n) {
    const char* at = static_cast<const char*>(bytes);
    while (n > 0) {
      const ssize_t done = write(fd, at, n);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) _exit(99);  // a journal with a hole would prove nothing
      at += done;
      n -= static_cast<size_t>(done);
    }
  }

  static Shim* active;
  DiskControl* control_;
  std::string root_;
  std::string journal_;
  std::mutex mutex_;
  std::vector<char> tracked_;
  std::map<ino_t, int> journals_;
  std::string bytes_;
  uint64_t graves_ = 0;
};

Shim* Shim::active = nullptr;

__attribute__((constructor)) void StartShim() { Shim::Start(); }

int Fail(Shim& shim, int error) {
  shim.control().failures.fetch_add(1);
  errno = error;
  return -1;
}

int Open(Shim& shim, const char* path, int flags, mode_t mode) {
  if (!shim.Ours(path)) {
    const int fd = RealOpen(path, flags, mode);
    shim.Track(fd, false);
    return fd;
  }
  const std::lock_guard lock(shim.mutex());
  bool creates = false;
  if ((flags & O_CREAT) != 0) {
    struct stat info = {};
    creates = stat(path, &info) != 0;
    if (creates && shim.control().full.load() != 0) return Fail(shim, ENOSPC);
    shim.Count();
    if (creates) {
      shim.NoteName(shim.PlaceOf(path), Change::kCreate, "", "");
    } else if ((flags & O_TRUNC) != 0) {
      const int fd = RealOpen(path, O_RDONLY | O_CLOEXEC);
      if (fd >= 0) {
        shim.NoteBytes(fd, Change::kTruncate, 0, static_cast<uint64_t>(info.st_size));
        close(fd);
      }
    }
  }
  const int fd = RealOpen(path, flags, mode);
  shim.Track(fd, (flags & O_DIRECTORY) == 0);
  if (creates && fd >= 0) shim.ForgetBytes(fd);
  return fd;
}

int Sync(Shim& shim, int fd) {
  DiskControl& control = shim.control();
  shim.Count();
  Shim::Mark mark;
  {
    const std::lock_guard lock(shim.mutex());
    mark = shim.BeginSync(fd);
  }
  for (uint32_t waited = 0; waited < control.sync_delay_us.load();) {
    const uint32_t piece = std::min<uint32_t>(control.sync_delay_us.load() - waited, 5000);
    PauseMicros(piece);
    waited += piece;
  }
  if (Take(control.fail_syncs)) return Fail(shim, EIO);
  const std::lock_guard lock(shim.mutex());
  if (control.lying_syncs.load() == 0) shim.EndSync(mark);
  control.syncs.fetch_add(1);
  return 0;
}

// The path of a descriptor of a directory.
std::string PathOf(int fd) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = readlink(link.c_str(), path, sizeof(path));
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : std::string();
}

int SyncNames(Shim& shim, int fd) {
  const std::string path = PathOf(fd);
  if (!shim.Ours(path.c_str())) return 0;
  DiskControl& control = shim.control();
  shim.Count();
  if (control.sync_delay_us.load() > 0)
    PauseMicros(std::min(control.sync_delay_us.load(), 50'000U));
  if (Take(control.fail_syncs)) return Fail(shim, EIO);
  const std::lock_guard lock(shim.mutex());
  const Place place = shim.PlaceOf((path + "/x").c_str());
  shim.EndNameSync(place.directory);
  return 0;
}

ssize_t Write(Shim& shim, int fd, const iovec* pieces, int count, off_t offset) {
  static const auto call = Real<WriteCall>("pwritev");
  if (!shim.Tracked(fd)) return call(fd, pieces, count, offset);
  DiskControl& control = shim.control();
  if (const uint32_t delay = control.write_delay_us.load(); delay > 0) PauseMicros(delay);
  if (Take(control.fail_writes)) return Fail(shim, EIO);
  uint64_t length = 0;
  for (int i = 0; i < count; ++i) length += pieces[i].iov_len;
  const std::lock_guard lock(shim.mutex());
  if (control.full.load() != 0) {
    struct stat info = {};
    fstat(fd, &info);
    const auto end = static_cast<uint64_t>(offset) + length;
    if (end > static_cast<uint64_t>(info.st_size)) return Fail(shim, ENOSPC);
  }
  shim.Count();
  shim.NoteBytes(fd, Change::kWrite, static_cast<uint64_t>(offset), length);
  return call(fd, pieces, count, offset);
}

}  // namespace
}  // namespace kvorum::chaos

using kvorum::chaos::Change;
using kvorum::chaos::Place;
using kvorum::chaos::Shim;

// Parameters are named as in the rest of this file, not as in the C library's headers.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = static_cast<mode_t>(va_arg(arguments, int));
    va_end(arguments);
  }
  Shim* shim = Shim::Get();
  if (shim == nullptr) return kvorum::chaos::RealOpen(path, flags, mode);
  return kvorum::chaos::Open(*shim, path, flags, mode);
}

ssize_t pwritev(int fd, const iovec* pieces, int count, off_t offset) {
  Shim* shim = Shim::Get();
  if (shim != nullptr) return kvorum::chaos::Write(*shim, fd, pieces, count, offset);
  static const auto call = kvorum::chaos::Real<kvorum::chaos::WriteCall>("pwritev");
  return call(fd, pieces, count, offset);
}

ssize_t pread(int fd, void* bytes, size_t n, off_t offset) {
  Shim* shim = Shim::Get();
  if (shim != nullptr && shim->Tracked(fd) && kvorum::chaos::Take(shim->control().fail_reads)) {
    return kvorum::chaos::Fail(*shim, EIO);
  }
  return kvorum::chaos::RealRead(fd, bytes, n, offset);
}

int fdatasync(int fd) {
  Shim* shim = Shim::Get();
  if (shim != nullptr && shim->Tracked(fd)) return kvorum::chaos::Sync(*shim, fd);
  static const auto call = kvorum::chaos::Real<int (*)(int)>("fdatasync");
  return call(fd);
}

int fsync(int fd) {
  Shim* shim = Shim::Get();
  if (shim != nullptr) {
    return shim->Tracked(fd) ? kvorum::chaos::Sync(*shim, fd) : kvorum::chaos::SyncNames(*shim, fd);
  }
  static const auto call = kvorum::chaos::Real<int (*)(int)>("fsync");
  return call(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  Shim* shim = Shim::Get();
  if (shim == nullptr || !shim->Tracked(fd)) return kvorum::chaos::RealTruncate(fd, size);
  const std::lock_guard lock(shim->mutex());
  shim->Count();
  struct stat info = {};
  fstat(fd, &info);
  const off_t from = size < info.st_size ? size : info.st_size;
  shim->NoteBytes(fd, Change::kTruncate, static_cast<uint64_t>(from),
                  static_cast<uint64_t>(info.st_size - from));
  return kvorum::chaos::RealTruncate(fd, size);
}

int rename(const char* from, const char* to) noexcept {
  Shim* shim = Shim::Get();
  if (shim == nullptr || !shim->Ours(from)) return kvorum::chaos::RealRename(from, to);
  const std::lock_guard lock(shim->mutex());
  shim->Count();
  const std::string grave = shim->BuryUnder(to);
  shim->NoteName(shim->PlaceOf(from), Change::kRename, shim->PlaceOf(to).name, grave);
  return kvorum::chaos::RealRename(from, to);
}

int unlink(const char* path) noexcept {
  Shim* shim = Shim::Get();
  if (shim == nullptr || !shim->Ours(path)) return kvorum::chaos::RealUnlink(path);
  const std::lock_guard lock(shim->mutex());
  shim->Count();
  const std::string grave = shim->BuryUnder(path);
  if (!grave.empty()) shim->NoteName(shim->PlaceOf(path), Change::kUnlink, "", grave);
  return kvorum::chaos::RealUnlink(path);
}

int statvfs(const char* path, struct statvfs* out) noexcept {
  static const auto call = kvorum::chaos::Real<kvorum::chaos::SpaceCall>("statvfs");
  const int result = call(path, out);
  Shim* shim = Shim::Get();
  if (result == 0 && shim != nullptr &&
      (shim->control().full.load() != 0 || shim->control().nearly_full.load() != 0)) {
    out->f_bavail = 1;
  }
  return result;
}

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = kvorum::chaos::RealClock(clock, out);
  Shim* shim = Shim::Get();
  if (result == 0 && shim != nullptr && clock == CLOCK_REALTIME) {
    const int64_t offset = shim->control().wall_offset_ms.load(std::memory_order_relaxed);
    int64_t ns = out->tv_nsec + (offset % 1000) * 1'000'000;
    out->tv_sec += offset / 1000;
    if (ns < 0) {
      ns += 1'000'000'000;
      --out->tv_sec;
    } else if (ns >= 1'000'000'000) {
      ns -= 1'000'000'000;
      ++out->tv_sec;
    }
    out->tv_nsec = ns;
  }
  return result;
}
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
