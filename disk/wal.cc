// SPDX-License-Identifier: Apache-2.0
#include "disk/wal.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::disk {

Wal::Wal(Files& files, std::string dir, const WalOptions& options)
    : files_(files),
      dir_(std::move(dir)),
      options_(options),
      segment_files_(files, dir_, options.segment_bytes, options.spare_segments, stats_) {}

Wal::~Wal() = default;

Status Wal::Latch(Status status) {
  if (!status.ok()) failure_ = status;
  PublishSizes();
  return status;
}

Status Wal::Append(std::span<const raft::Save> saves) {
  return failure_.ok() ? Latch(AppendInner(saves)) : failure_;
}

Status Wal::Sync() { return failure_.ok() ? Latch(SyncInner()) : failure_; }

Status Wal::Compact(const raft::SnapshotMeta& base) {
  return failure_.ok() ? Latch(CompactInner(base)) : failure_;
}

Status Wal::Owes(Index index) {
  Witness owed = owed_;
  owed.owed = true;
  owed.owed_index = std::max(owed.owed_index, index);
  return NoteOwed(owed);
}

Status Wal::CaughtUp() { return NoteOwed({}); }

Status Wal::NoteOwed(const Witness& owed) {
  if (!failure_.ok()) return failure_;
  if (Status s = SyncInner(); !s.ok()) return Latch(std::move(s));
  owed_ = owed;
  return Latch(SyncWitness());
}

Result<bool> Wal::TendSpares() {
  if (!failure_.ok()) return failure_;
  Result<bool> worked = segment_files_.TendSpares(kZeroPieceBytes);
  if (!worked.ok()) failure_ = worked.status();
  PublishSizes();
  return worked;
}

Status Wal::AppendInner(std::span<const raft::Save> saves) {
  uint64_t record_bytes = 0;
  for (const raft::Save& save : saves) {
    if (save.reset_to.has_value()) record_bytes += BatchBuilder::BaseBytes(*save.reset_to);
    for (const raft::Entry& entry : save.entries) record_bytes += BatchBuilder::EntryBytes(entry);
  }
  if (record_bytes > 0) {
    if (Status s = MakeRoom(BatchBuilder::BatchBytes(record_bytes)); !s.ok()) return s;
  }
  // Noted only now: making room syncs what was appended before, not what is not written yet.
  batch_builder_.Begin(chain_);
  for (const raft::Save& save : saves) {
    if (save.hard_state.has_value()) pending_hard_state_ = save.hard_state;
    if (save.reset_to.has_value()) {
      batch_builder_.AddBase(options_.group, *save.reset_to, true);
      NoteReset(*save.reset_to);
    }
    for (const raft::Entry& entry : save.entries) batch_builder_.AddEntry(options_.group, entry);
    NoteEntries(save.entries);
  }
  return record_bytes > 0 ? WriteBatch() : Status::Ok();
}

// The current segment has room for a batch of this size, or a new one is started.
Status Wal::MakeRoom(uint64_t batch_bytes) {
  if (segments_.back().file_bytes - std::min(offset_, segments_.back().file_bytes) >= batch_bytes) {
    return Status::Ok();
  }
  // The header of the new segment says where this one ends, so this one has to be durable first.
  if (Status s = SyncInner(); !s.ok()) return s;
  const uint64_t sequence = segments_.back().sequence + 1;
  const uint64_t file_bytes = std::max(options_.segment_bytes, kSegmentHeaderBytes + batch_bytes);
  Result<std::unique_ptr<File>> file = segment_files_.Prepare(sequence, file_bytes);
  if (!file.ok()) return file.status();
  if (Status s = file.value()->Write(0, EncodeHeader(HeaderHere(sequence))); !s.ok()) return s;
  if (Status s = file.value()->SyncData(); !s.ok()) return s;
  if (Status s = segment_files_.Announce(sequence); !s.ok()) return s;
  file_ = std::move(file).value();
  segments_.push_back({sequence, file_bytes, kSegmentHeaderBytes, Index()});
  offset_ = kSegmentHeaderBytes;
  chain_ = ChainStart(sequence);
  return SyncWitness();
}

Status Wal::WriteBatch() {
  CommitBody commit;
  commit.segment = segments_.back().sequence;
  commit.offset = offset_;
  commit.batch = batch_ + 1;
  commit.synced_batch = synced_batch_;
  commit.vote_sequence = vote_->sequence();
  batch_builder_.Finish(options_.cluster_id, commit);
  if (Status s = file_->WriteAt(offset_, batch_builder_.pieces()); !s.ok()) return s;
  ++batch_;
  dirty_ = true;
  offset_ += batch_builder_.bytes();
  KV_CHECK(offset_ <= segments_.back().file_bytes);
  segments_.back().used_bytes = offset_;
  chain_ = batch_builder_.chain();
  stats_.appended_batches.Add();
  stats_.appended_bytes.Add(batch_builder_.bytes());
  return Status::Ok();
}

void Wal::NoteEntries(std::span<const raft::Entry> entries) {
  if (entries.empty()) return;
  const Index first = entries.front().index;
  KV_CHECK(first > base_.index && first <= last_index_ + 1);
  for (const raft::Entry& entry : entries) KV_CHECK(entry.index == first + (&entry - &entries[0]));
  for (Segment& segment : segments_) segment.last_live = std::min(segment.last_live, first - 1);
  last_index_ = entries.back().index;
  last_term_ = entries.back().term;
  segments_.back().last_live = last_index_;
  stats_.appended_entries.Add(entries.size());
}

void Wal::NoteReset(const raft::SnapshotMeta& base) {
  KV_CHECK(base.index >= base_.index);
  base_ = base;
  last_index_ = base.index;
  last_term_ = base.term;
  for (Segment& segment : segments_) segment.last_live = Index();
  drop_pending_ = true;
}

Status Wal::SyncInner() {
  if (pending_hard_state_.has_value()) {
    if (Status s = vote_->Save(*pending_hard_state_); !s.ok()) return s;
    pending_hard_state_.reset();
    stats_.vote_saves.Add();
  }
  if (!dirty_) return Status::Ok();
  if (Status s = file_->SyncData(); !s.ok()) return s;
  stats_.syncs.Add();
  dirty_ = false;
  synced_batch_ = batch_;
  if (Status s = vote_->WriteWitness(WitnessHere()); !s.ok()) return s;
  if (!drop_pending_) return Status::Ok();
  drop_pending_ = false;
  return DropOldSegments();
}

Status Wal::CompactInner(const raft::SnapshotMeta& base) {
  if (base.index <= base_.index) return Status::Ok();
  KV_CHECK(base.index <= last_index_);
  if (Status s = MakeRoom(BatchBuilder::BatchBytes(BatchBuilder::BaseBytes(base))); !s.ok()) {
    return s;
  }
  batch_builder_.Begin(chain_);
  batch_builder_.AddBase(options_.group, base, false);
  base_ = base;
  if (Status s = WriteBatch(); !s.ok()) return s;
  if (Status s = SyncInner(); !s.ok()) return s;
  const size_t segments = segments_.size();
  if (Status s = DropOldSegments(); !s.ok()) return s;
  if (segments_.size() != segments) segment_files_.ExpectToNeed(segments - segments_.size());
  return Status::Ok();
}

// Only with base_ durable. Oldest first: what remains must be readable from its first header on.
Status Wal::DropOldSegments() {
  bool dropped = false;
  while (segments_.size() > 1 && segments_.front().last_live <= base_.index) {
    const Segment& oldest = segments_.front();
    if (Status s = segment_files_.Retire(oldest.sequence, oldest.file_bytes); !s.ok()) return s;
    segments_.pop_front();
    dropped = true;
  }
  // Before a spare is written to: it must not be found under its old name.
  return dropped ? segment_files_.SyncDir() : Status::Ok();
}

Status Wal::SyncWitness() {
  if (Status s = vote_->WriteWitness(WitnessHere()); !s.ok()) return s;
  return vote_->Sync();
}

SegmentHeader Wal::HeaderHere(uint64_t sequence) const {
  SegmentHeader header;
  header.sequence = sequence;
  header.cluster_id = options_.cluster_id;
  header.node = options_.node;
  header.group = options_.group;
  header.last_batch = batch_;
  header.last_index = last_index_;
  header.last_term = last_term_;
  header.base = base_;
  return header;
}

Witness Wal::WitnessHere() const {
  KV_CHECK(synced_batch_ == batch_);
  Witness witness = owed_;
  witness.segment = segments_.back().sequence;
  witness.batch = synced_batch_;
  witness.index = last_index_;
  witness.term = last_term_;
  return witness;
}

uint64_t Wal::bytes() const {
  uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.used_bytes - kSegmentHeaderBytes;
  return sum;
}

void Wal::PublishSizes() {
  uint64_t on_disk = segment_files_.SpareBytes();
  for (const Segment& segment : segments_) on_disk += segment.file_bytes;
  stats_.segments.Set(static_cast<int64_t>(segments_.size()));
  stats_.disk_bytes.Set(static_cast<int64_t>(on_disk));
}

}  // namespace kvorum::disk
