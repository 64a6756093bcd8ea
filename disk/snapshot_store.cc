// SPDX-License-Identifier: Apache-2.0
#include "disk/snapshot_store.h"

#include <algorithm>
#include <utility>

#include "disk/limits.h"
#include "disk/snapshot_format.h"

namespace kvorum::disk {
namespace {

constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kOutgoingSuffix = ".outgoing.tmp";
static_assert(kOutgoingSuffix.ends_with(kTemporarySuffix));

bool Newer(const raft::SnapshotMeta& a, const raft::SnapshotMeta& b) {
  return a.index != b.index ? a.index > b.index : a.term > b.term;
}

// The reader's error, or the sink's: `refused` tells which.
Status ReadThrough(SnapshotReader& reader, const SnapshotSink& sink, bool* refused) {
  *refused = false;
  if (sink.begin) sink.begin();
  std::string chunk;
  while (true) {
    Result<bool> more = reader.Next(chunk);
    if (!more.ok()) return more.status();
    if (!more.value()) return Status::Ok();
    if (!sink.chunk) continue;
    if (Status s = sink.chunk(chunk); !s.ok()) {
      *refused = true;
      return s;
    }
  }
}

}  // namespace

Result<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(Files& files, std::string dir,
                                                           uint64_t cluster_id) {
  std::unique_ptr<SnapshotStore> store(new SnapshotStore(files, std::move(dir), cluster_id));
  if (Status s = files.MakeDir(store->dir_); !s.ok()) return s;
  if (Status s = store->Scan(); !s.ok()) return s;
  return store;
}

Status SnapshotStore::Scan() {
  Result<std::vector<std::string>> names = files_.List(dir_);
  if (!names.ok()) return names.status();
  bool removed = false;
  for (const std::string& name : names.value()) {
    const std::string path = JoinPath(dir_, name);
    if (name.starts_with("snapshot-") && name.ends_with(kTemporarySuffix)) {
      if (Status s = files_.Remove(path); !s.ok()) return s;
      removed = true;
      continue;
    }
    raft::SnapshotMeta named;
    if (!ParseSnapshotName(name, &named)) continue;
    Result<std::unique_ptr<SnapshotReader>> reader = SnapshotReader::OpenFile(files_, path);
    if (!reader.ok() && reader.status().code() != StatusCode::kCorrupt) return reader.status();
    if (!reader.ok()) {
      note_ += (note_.empty() ? "" : "; ") + reader.status().message();
      continue;
    }
    const raft::SnapshotMeta& meta = reader.value()->meta();
    if (meta.index != named.index || meta.term != named.term) {
      note_ += (note_.empty() ? "" : "; ") + path + " at offset 0: the header of another snapshot";
      continue;
    }
    if (reader.value()->cluster_id() != cluster_id_) {
      return {StatusCode::kInvalid,
              path + " belongs to cluster " + Hex16(reader.value()->cluster_id())};
    }
    // Names sort by index and term: the newest comes last.
    snapshots_.insert(snapshots_.begin(), meta);
    sizes_.insert(sizes_.begin(), reader.value()->file_bytes());
  }
  return removed ? files_.SyncDir(dir_) : Status::Ok();
}

std::string SnapshotStore::PathOf(const raft::SnapshotMeta& meta) const {
  return JoinPath(dir_, SnapshotName(meta));
}

std::optional<raft::SnapshotMeta> SnapshotStore::Latest() const {
  if (snapshots_.empty()) return std::nullopt;
  return snapshots_.front();
}

Result<std::optional<raft::SnapshotMeta>> SnapshotStore::ChooseForRecovery(
    const raft::SnapshotMeta& log_base, std::string* note, const SnapshotSink& sink) {
  *note = note_;
  for (const raft::SnapshotMeta& meta : snapshots_) {
    if (meta.index < log_base.index) break;
    Result<std::unique_ptr<SnapshotReader>> reader = Read(meta);
    bool refused = false;
    const Status s = reader.ok() ? ReadThrough(*reader.value(), sink, &refused) : reader.status();
    if (s.ok()) return std::optional<raft::SnapshotMeta>(meta);
    if (refused || s.code() != StatusCode::kCorrupt) return s;
    *note += (note->empty() ? "" : "; ") + s.message();
  }
  if (log_base.index.value() == 0) return std::optional<raft::SnapshotMeta>();
  return Status(StatusCode::kCorrupt,
                dir_ + ": the log starts after index " + std::to_string(log_base.index.value()) +
                    " and no intact snapshot reaches it" + (note->empty() ? "" : ": " + *note));
}

Status SnapshotStore::Verify(const raft::SnapshotMeta& meta) {
  Result<std::unique_ptr<SnapshotReader>> reader = Read(meta);
  if (!reader.ok()) return reader.status();
  bool refused = false;
  return ReadThrough(*reader.value(), {}, &refused);
}

Result<std::unique_ptr<SnapshotWriter>> SnapshotStore::Create(const raft::SnapshotMeta& meta) {
  const std::string temporary = PathOf(meta) + std::string(kTemporarySuffix);
  Result<std::unique_ptr<File>> file = files_.Open(temporary, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  std::unique_ptr<SnapshotWriter> writer(
      new SnapshotWriter(*this, meta, temporary, std::move(file).value()));
  const std::string header = EncodeSnapshotHeader({cluster_id_, meta});
  if (Status s = writer->file_->Write(0, header); !s.ok()) return s;
  writer->offset_ = header.size();
  return writer;
}

Result<std::unique_ptr<SnapshotReceiver>> SnapshotStore::Receive(const raft::SnapshotMeta& meta) {
  // Not the name a writer uses: this node may be writing the same snapshot.
  const std::string temporary = PathOf(meta) + ".received" + std::string(kTemporarySuffix);
  Result<std::unique_ptr<File>> file = files_.Open(temporary, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  return std::unique_ptr<SnapshotReceiver>(
      new SnapshotReceiver(*this, meta, temporary, std::move(file).value()));
}

Status SnapshotStore::Publish(const std::string& temporary, const raft::SnapshotMeta& meta,
                              uint64_t bytes) {
  if (Status s = files_.Rename(temporary, PathOf(meta)); !s.ok()) return s;
  if (Status s = files_.SyncDir(dir_); !s.ok()) return s;
  const auto same = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& other) {
    return other.index == meta.index && other.term == meta.term;
  });
  if (same != snapshots_.end()) {
    sizes_[static_cast<size_t>(same - snapshots_.begin())] = bytes;
    *same = meta;
    return Status::Ok();
  }
  const auto older = std::find_if(snapshots_.begin(), snapshots_.end(),
                                  [&](const auto& other) { return Newer(meta, other); });
  sizes_.insert(sizes_.begin() + (older - snapshots_.begin()), bytes);
  snapshots_.insert(older, meta);
  return Status::Ok();
}

Result<std::unique_ptr<SnapshotReader>> SnapshotStore::Read(const raft::SnapshotMeta& meta) {
  Result<std::unique_ptr<SnapshotReader>> reader = SnapshotReader::OpenFile(files_, PathOf(meta));
  if (!reader.ok()) return reader.status();
  if (!(reader.value()->meta() == meta)) {
    return Status(StatusCode::kCorrupt, PathOf(meta) + " at offset 0: the header has changed");
  }
  return reader;
}

Result<uint64_t> SnapshotStore::FileBytes(const raft::SnapshotMeta& meta) {
  Result<std::unique_ptr<File>> file = files_.Open(PathOf(meta), OpenMode::kRead);
  if (!file.ok()) return file.status();
  return file.value()->Size();
}

Status SnapshotStore::ReadRaw(const raft::SnapshotMeta& meta, uint64_t offset, uint64_t n,
                              std::string& out) {
  Result<std::unique_ptr<File>> file = files_.Open(PathOf(meta), OpenMode::kRead);
  if (!file.ok()) return file.status();
  Result<uint64_t> size = file.value()->Size();
  if (!size.ok()) return size.status();
  if (offset >= size.value()) return Status::Ok();
  return ReadExactly(*file.value(), offset, std::min(n, size.value() - offset), out);
}

Result<bool> SnapshotStore::PruneSome() {
  if (!outgoing_.empty()) return ShortenOutgoing();
  if (snapshots_.size() > kSnapshotsKept) {
    // Under its temporary name it is nobody's snapshot any more, and removed at the next start.
    const std::string path = PathOf(snapshots_.back());
    if (Status s = files_.Rename(path, path + std::string(kOutgoingSuffix)); !s.ok()) return s;
    outgoing_ = path + std::string(kOutgoingSuffix);
    snapshots_.pop_back();
    sizes_.pop_back();
    return true;
  }
  if (snapshots_.size() < kSnapshotsKept) return false;
  if (Status s = RemoveDamaged(); !s.ok()) return s;
  return false;
}

Result<bool> SnapshotStore::ShortenOutgoing() {
  Result<std::unique_ptr<File>> file = files_.Open(outgoing_, OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  Result<uint64_t> size = file.value()->Size();
  if (!size.ok()) return size.status();
  if (size.value() > kSnapshotRemoveBytes) {
    const Status cut = file.value()->Truncate(size.value() - kSnapshotRemoveBytes);
    if (!cut.ok()) return cut;
    return true;
  }
  if (Status s = files_.Remove(outgoing_); !s.ok()) return s;
  outgoing_.clear();
  const Status synced = files_.SyncDir(dir_);
  if (!synced.ok()) return synced;
  return true;
}

// Damaged files were kept to be looked at; behind two good ones nobody needs them.
Status SnapshotStore::RemoveDamaged() {
  Result<std::vector<std::string>> names = files_.List(dir_);
  if (!names.ok()) return names.status();
  bool removed = false;
  for (const std::string& name : names.value()) {
    raft::SnapshotMeta named;
    if (!ParseSnapshotName(name, &named) || !Newer(snapshots_.back(), named)) continue;
    if (Status s = files_.Remove(JoinPath(dir_, name)); !s.ok()) return s;
    removed = true;
  }
  return removed ? files_.SyncDir(dir_) : Status::Ok();
}

Status SnapshotStore::Prune() {
  for (;;) {
    const Result<bool> more = PruneSome();
    if (!more.ok()) return more.status();
    if (!more.value()) return Status::Ok();
  }
}

uint64_t SnapshotStore::bytes() const {
  uint64_t sum = 0;
  for (const uint64_t size : sizes_) sum += size;
  return sum;
}

}  // namespace kvorum::disk
