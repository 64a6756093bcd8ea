// SPDX-License-Identifier: Apache-2.0
#include "tests/disk/memory_files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "disk/limits.h"

namespace kvorum::disk {

struct MemoryFiles::Inode {
  struct Change {
    uint64_t offset = 0;
    std::string bytes;
    std::optional<uint64_t> truncate;  // instead of a write
  };
  std::string cache;             // what reads see
  std::string platter;           // what survives
  std::vector<Change> unsynced;  // in order
};

struct MemoryFiles::Directory {
  struct Change {
    std::string remove;  // names; either may be empty
    std::string put;
    InodeRef inode;
  };
  std::map<std::string, InodeRef> cache;
  std::map<std::string, InodeRef> platter;
  std::vector<Change> unsynced;

  void Do(Change change) {
    Apply(cache, change);
    unsynced.push_back(std::move(change));
  }
  static void Apply(std::map<std::string, InodeRef>& names, const Change& change) {
    if (!change.remove.empty()) names.erase(change.remove);
    if (!change.put.empty()) names[change.put] = change.inode;
  }
};

class MemoryFiles::Image {
 public:
  std::map<std::string, Directory> dirs;
};

namespace {

Status Injected(StatusCode code, const char* what) {
  return {code, std::string("injected: ") + what};
}

void WriteInto(std::string& bytes, uint64_t offset, std::string_view what) {
  if (bytes.size() < offset + what.size()) bytes.resize(offset + what.size(), '\0');
  bytes.replace(offset, what.size(), what);
}

}  // namespace

class MemoryFile final : public File {
 public:
  MemoryFile(MemoryFiles& owner, MemoryFiles::InodeRef inode, bool writable)
      : owner_(owner), inode_(std::move(inode)), writable_(writable) {}

  Status WriteAt(uint64_t offset, std::span<const std::string_view> pieces) override {
    KV_CHECK(writable_);
    std::string bytes;
    for (const std::string_view piece : pieces) bytes.append(piece);
    FaultKind fault{};
    bool faulted = false;
    bool half = false;
    Status s = owner_.Begin(Operation::kWrite, &fault, &faulted, &half);
    const uint64_t grown = std::max<uint64_t>(inode_->cache.size(), offset + bytes.size());
    if (s.ok() && !HasRoom(grown)) {
      s = Injected(StatusCode::kNoSpace, "no space left");
      half = true;
    }
    if (faulted && fault == FaultKind::kNoSpace) half = true;
    if (!s.ok()) {
      if (!half) return s;
      bytes.resize(bytes.size() / 2);
    }
    WriteInto(inode_->cache, offset, bytes);
    if (!(faulted && fault == FaultKind::kLost)) {
      inode_->unsynced.push_back({offset, std::move(bytes), std::nullopt});
    }
    return s;
  }

  Result<size_t> ReadAt(uint64_t offset, size_t n, std::string& out) override {
    FaultKind fault{};
    bool faulted = false;
    bool half = false;
    if (Status s = owner_.Begin(Operation::kRead, &fault, &faulted, &half); !s.ok()) return s;
    if (offset >= inode_->cache.size()) return size_t{0};
    size_t got = std::min<size_t>(n, inode_->cache.size() - offset);
    if (faulted && fault == FaultKind::kShortRead && got > 1) got /= 2;
    out.append(inode_->cache, offset, got);
    return got;
  }

  Status SyncData() override {
    FaultKind fault{};
    bool faulted = false;
    bool half = false;
    Status s = owner_.Begin(Operation::kSync, &fault, &faulted, &half);
    if (faulted && fault == FaultKind::kErrorPagesClean) inode_->unsynced.clear();
    if (!s.ok()) return s;
    for (const MemoryFiles::Inode::Change& change : inode_->unsynced) {
      if (change.truncate.has_value()) {
        inode_->platter.resize(*change.truncate, '\0');
      } else {
        WriteInto(inode_->platter, change.offset, change.bytes);
      }
    }
    inode_->unsynced.clear();
    return s;
  }

  Result<uint64_t> Size() override { return uint64_t{inode_->cache.size()}; }

  Status Truncate(uint64_t size) override {
    KV_CHECK(writable_);
    FaultKind fault{};
    bool faulted = false;
    bool half = false;
    if (Status s = owner_.Begin(Operation::kTruncate, &fault, &faulted, &half); !s.ok()) return s;
    inode_->cache.resize(size, '\0');
    inode_->unsynced.push_back({0, {}, size});
    return Status::Ok();
  }

  Status Allocate(uint64_t size) override {
    KV_CHECK(writable_);
    if (size <= inode_->cache.size()) return Status::Ok();
    FaultKind fault{};
    bool faulted = false;
    bool half = false;
    if (Status s = owner_.Begin(Operation::kWrite, &fault, &faulted, &half); !s.ok()) return s;
    if (!HasRoom(size)) return Injected(StatusCode::kNoSpace, "no space left");
    inode_->cache.resize(size, '\0');
    if (!(faulted && fault == FaultKind::kLost)) inode_->unsynced.push_back({0, {}, size});
    return Status::Ok();
  }

 private:
  // For this file to be so large.
  [[nodiscard]] bool HasRoom(uint64_t size) const {
    return owner_.capacity_ == UINT64_MAX ||
           owner_.UsedBytes() - inode_->cache.size() + size <= owner_.capacity_;
  }

  MemoryFiles& owner_;
  MemoryFiles::InodeRef inode_;
  bool writable_;
};

class MemoryLock final : public Lock {
 public:
  MemoryLock(MemoryFiles& owner, std::string path) : owner_(owner), path_(std::move(path)) {}
  ~MemoryLock() override { owner_.locks_.erase(path_); }

 private:
  MemoryFiles& owner_;
  std::string path_;
};

MemoryFiles::MemoryFiles() { dirs_[""]; }
MemoryFiles::~MemoryFiles() = default;

// One gate in front of every operation: stopped, faulty, or go on.
Status MemoryFiles::Begin(Operation operation, FaultKind* fault, bool* faulted, bool* half) {
  if (operation != Operation::kRead && operation != Operation::kOpen) ++changes_;
  if (stopped_) return Injected(StatusCode::kIo, "the process is gone");
  if (changes_ >= stop_at_) {
    stopped_ = true;
    *half = operation == Operation::kWrite;
    return Injected(StatusCode::kIo, "the process dies here");
  }
  for (size_t i = 0; i < faults_.size(); ++i) {
    Fault& one = faults_[i];
    if (one.operation != operation || (one.countdown > 0 && --one.countdown > 0)) continue;
    *fault = one.kind;
    *faulted = true;
    if (!one.forever) faults_.erase(faults_.begin() + static_cast<std::ptrdiff_t>(i));
    switch (*fault) {
      case FaultKind::kIoError:
      case FaultKind::kErrorPagesClean:
        return Injected(StatusCode::kIo, "input/output error");
      case FaultKind::kNoSpace:
        return Injected(StatusCode::kNoSpace, "no space left");
      case FaultKind::kShortRead:
      case FaultKind::kLost:
        return Status::Ok();
    }
  }
  return Status::Ok();
}

MemoryFiles::Directory* MemoryFiles::FindDir(const std::string& path, std::string* name) {
  const size_t slash = path.find_last_of('/');
  *name = slash == std::string::npos ? path : path.substr(slash + 1);
  const auto found = dirs_.find(slash == std::string::npos ? "" : path.substr(0, slash));
  return found == dirs_.end() ? nullptr : &found->second;
}

MemoryFiles::InodeRef MemoryFiles::FindInode(const std::string& path) const {
  const size_t slash = path.find_last_of('/');
  const auto dir = dirs_.find(slash == std::string::npos ? "" : path.substr(0, slash));
  if (dir == dirs_.end()) return nullptr;
  const auto found =
      dir->second.cache.find(slash == std::string::npos ? path : path.substr(slash + 1));
  return found == dir->second.cache.end() ? nullptr : found->second;
}

Result<std::unique_ptr<File>> MemoryFiles::Open(const std::string& path, OpenMode mode) {
  FaultKind fault{};
  bool faulted = false;
  bool half = false;
  std::string name;
  Directory* dir = FindDir(path, &name);
  if (dir == nullptr) return Status(StatusCode::kNotFound, path + ": no such directory");
  if (mode == OpenMode::kCreate) ++changes_;
  if (Status s = Begin(Operation::kOpen, &fault, &faulted, &half); !s.ok()) return s;
  const auto found = dir->cache.find(name);
  InodeRef inode = found == dir->cache.end() ? nullptr : found->second;
  if (inode == nullptr && mode != OpenMode::kCreate) {
    return Status(StatusCode::kNotFound, path + ": no such file");
  }
  if (inode == nullptr) {
    inode = std::make_shared<Inode>();
    dir->Do({"", name, inode});
  } else if (mode == OpenMode::kCreate) {
    inode->cache.clear();
    inode->unsynced.push_back({0, {}, 0});
  }
  return std::unique_ptr<File>(
      std::make_unique<MemoryFile>(*this, std::move(inode), mode != OpenMode::kRead));
}

Status MemoryFiles::Rename(const std::string& from, const std::string& to) {
  FaultKind fault{};
  bool faulted = false;
  bool half = false;
  if (Status s = Begin(Operation::kRename, &fault, &faulted, &half); !s.ok()) return s;
  std::string name;
  std::string to_name;
  Directory* dir = FindDir(from, &name);
  if (dir == nullptr || !dir->cache.contains(name)) {
    return {StatusCode::kNotFound, from + ": no such file"};
  }
  KV_CHECK(FindDir(to, &to_name) == dir);
  dir->Do({name, to_name, dir->cache[name]});
  return Status::Ok();
}

Status MemoryFiles::Remove(const std::string& path) {
  FaultKind fault{};
  bool faulted = false;
  bool half = false;
  if (Status s = Begin(Operation::kRemove, &fault, &faulted, &half); !s.ok()) return s;
  std::string name;
  Directory* dir = FindDir(path, &name);
  if (dir == nullptr || !dir->cache.contains(name)) {
    return {StatusCode::kNotFound, path + ": no such file"};
  }
  dir->Do({name, "", nullptr});
  return Status::Ok();
}

Result<std::vector<std::string>> MemoryFiles::List(const std::string& dir) {
  FaultKind fault{};
  bool faulted = false;
  bool half = false;
  if (Status s = Begin(Operation::kRead, &fault, &faulted, &half); !s.ok()) return s;
  const auto found = dirs_.find(dir);
  if (found == dirs_.end()) return Status(StatusCode::kNotFound, dir + ": no such directory");
  std::vector<std::string> names;
  for (const auto& [name, inode] : found->second.cache) names.push_back(name);
  return names;
}

Status MemoryFiles::MakeDir(const std::string& dir) {
  for (size_t slash = dir.find('/'); slash != std::string::npos; slash = dir.find('/', slash + 1)) {
    dirs_[dir.substr(0, slash)];
  }
  dirs_[dir];
  return Status::Ok();
}

Status MemoryFiles::SyncDir(const std::string& dir) {
  FaultKind fault{};
  bool faulted = false;
  bool half = false;
  if (Status s = Begin(Operation::kSyncDir, &fault, &faulted, &half); !s.ok()) return s;
  const auto found = dirs_.find(dir);
  if (found == dirs_.end()) return {StatusCode::kNotFound, dir + ": no such directory"};
  found->second.platter = found->second.cache;
  found->second.unsynced.clear();
  return Status::Ok();
}

Result<bool> MemoryFiles::Exists(const std::string& path) {
  return FindInode(path) != nullptr || dirs_.contains(path);
}

Result<uint64_t> MemoryFiles::FreeBytes(const std::string&) {
  const uint64_t used = UsedBytes();
  return used < capacity_ ? capacity_ - used : 0;
}

Result<std::unique_ptr<Lock>> MemoryFiles::LockFile(const std::string& path) {
  if (!locks_.insert(path).second) return Status(StatusCode::kBusy, path + ": locked");
  return std::unique_ptr<Lock>(std::make_unique<MemoryLock>(*this, path));
}

void MemoryFiles::SettleData(Inode& inode, Rng& rng, CrashMode mode) {
  for (const Inode::Change& change : inode.unsynced) {
    if (mode == CrashMode::kDropUnsynced) break;
    if (change.truncate.has_value()) {
      if (mode == CrashMode::kKeepUnsynced || rng.OneIn(1, 2)) {
        inode.platter.resize(*change.truncate, '\0');
      }
      continue;
    }
    for (uint64_t at = 0; at < change.bytes.size();) {
      const uint64_t offset = change.offset + at;
      const uint64_t sector = offset / kSectorBytes * kSectorBytes;
      const uint64_t n = std::min(sector + kSectorBytes - offset, change.bytes.size() - at);
      const uint64_t fate = mode == CrashMode::kKeepUnsynced ? 0 : rng.Below(3);
      if (fate == 0) WriteInto(inode.platter, offset, std::string_view(change.bytes).substr(at, n));
      if (fate == 2) {
        // The whole sector is lost, with what was synced in it before: the harshest reading.
        std::string garbage(kSectorBytes, '\0');
        for (char& c : garbage) c = static_cast<char>(rng.Next());
        const uint64_t end = std::max<uint64_t>(offset + n, inode.platter.size());
        WriteInto(inode.platter, sector,
                  std::string_view(garbage).substr(0, std::min(kSectorBytes, end - sector)));
      }
      at += n;
    }
  }
  inode.unsynced.clear();
  inode.cache = inode.platter;
}

void MemoryFiles::SettleNames(Directory& dir, Rng& rng, CrashMode mode) {
  const bool prefix = rng.OneIn(1, 2);
  const uint64_t kept = rng.Below(dir.unsynced.size() + 1);
  for (size_t i = 0; i < dir.unsynced.size(); ++i) {
    bool keep = prefix ? i < kept : rng.OneIn(1, 2);
    if (mode == CrashMode::kDropUnsynced) keep = false;
    if (mode == CrashMode::kKeepUnsynced) keep = true;
    if (keep) Directory::Apply(dir.platter, dir.unsynced[i]);
  }
  dir.unsynced.clear();
  dir.cache = dir.platter;
}

void MemoryFiles::Crash(Rng& rng, CrashMode mode) {
  Resume();
  if (mode == CrashMode::kProcess) return;
  for (auto& [path, dir] : dirs_) {
    // Inodes that lost their last name but may come back are among the unsynced changes.
    std::set<InodeRef> inodes;
    std::vector<InodeRef> ordered;  // set order would be by address: not the same in every run
    const auto add = [&](const InodeRef& inode) {
      if (inode != nullptr && inodes.insert(inode).second) ordered.push_back(inode);
    };
    for (const auto& [name, inode] : dir.cache) add(inode);
    for (const auto& [name, inode] : dir.platter) add(inode);
    for (const Directory::Change& change : dir.unsynced) add(change.inode);
    for (const InodeRef& inode : ordered) SettleData(*inode, rng, mode);
    SettleNames(dir, rng, mode);
  }
}

void MemoryFiles::FailNth(Operation operation, uint64_t nth, FaultKind kind, bool forever) {
  faults_.push_back({operation, nth, kind, forever});
}
void MemoryFiles::ClearFaults() { faults_.clear(); }

void MemoryFiles::StopAtChange(uint64_t n) { stop_at_ = changes_ + n; }

void MemoryFiles::Resume() {
  stop_at_ = UINT64_MAX;
  stopped_ = false;
  locks_.clear();
}

uint64_t MemoryFiles::UsedBytes() const {
  uint64_t sum = 0;
  for (const auto& [path, dir] : dirs_) {
    for (const auto& [name, inode] : dir.cache) sum += inode->cache.size();
  }
  return sum;
}

void MemoryFiles::Corrupt(const std::string& path, uint64_t offset, uint8_t mask) {
  const InodeRef inode = FindInode(path);
  KV_CHECK(inode != nullptr && offset < inode->cache.size());
  const auto flip = [&](char& c) { c = static_cast<char>(static_cast<uint8_t>(c) ^ mask); };
  flip(inode->cache[offset]);
  if (offset < inode->platter.size()) flip(inode->platter[offset]);
}

void MemoryFiles::Resize(const std::string& path, uint64_t size) {
  const InodeRef inode = FindInode(path);
  KV_CHECK(inode != nullptr);
  inode->cache.resize(size, '\0');
  inode->platter = inode->cache;
  inode->unsynced.clear();
}

std::string MemoryFiles::Contents(const std::string& path) const {
  const InodeRef inode = FindInode(path);
  return inode == nullptr ? std::string() : inode->cache;
}

void MemoryFiles::Put(const std::string& path, std::string_view bytes) {
  std::string name;
  Directory* dir = FindDir(path, &name);
  KV_CHECK(dir != nullptr);
  auto inode = std::make_shared<Inode>();
  inode->cache = inode->platter = std::string(bytes);
  dir->cache[name] = inode;
  dir->platter[name] = inode;
}

void MemoryFiles::PutAt(const std::string& path, uint64_t offset, std::string_view bytes) {
  const InodeRef inode = FindInode(path);
  KV_CHECK(inode != nullptr);
  WriteInto(inode->cache, offset, bytes);
  WriteInto(inode->platter, offset, bytes);
}

std::shared_ptr<const MemoryFiles::Image> MemoryFiles::Save() const {
  auto image = std::make_shared<Image>();
  std::map<InodeRef, InodeRef> copies;
  const auto copy = [&](const InodeRef& inode) -> InodeRef {
    if (inode == nullptr) return nullptr;
    InodeRef& made = copies[inode];
    if (made == nullptr) made = std::make_shared<Inode>(*inode);
    return made;
  };
  for (const auto& [path, dir] : dirs_) {
    Directory& to = image->dirs[path];
    for (const auto& [name, inode] : dir.cache) to.cache[name] = copy(inode);
    for (const auto& [name, inode] : dir.platter) to.platter[name] = copy(inode);
    for (Directory::Change change : dir.unsynced) {
      change.inode = copy(change.inode);
      to.unsynced.push_back(std::move(change));
    }
  }
  return image;
}

void MemoryFiles::Restore(const Image& image) {
  MemoryFiles other;
  other.dirs_ = image.dirs;
  dirs_ = other.Save()->dirs;
  Resume();
}

}  // namespace kvorum::disk
