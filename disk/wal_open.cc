// SPDX-License-Identifier: Apache-2.0
//
// Opening the log: what ReadLog found is made durable and continued. In this order, each step safe
// to die behind:
//   1. both copies of term and vote are written afresh;
//   2. the findings are noted: newest segment, and whether entries were lost;
//   3. a new segment receives what verifies but is not proven durable, and is announced;
//   4. the witness is moved to it; 5. the cut tail of the old segment goes back to the file system.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "disk/wal.h"

namespace kvorum::disk {

Result<std::unique_ptr<Wal>> Wal::Open(Files& files, std::string dir, const WalOptions& options,
                                       Recovered* out) {
  if (options.node.value() == 0) return Status(StatusCode::kInvalid, "the log needs a node id");
  WalOptions rounded = options;
  rounded.segment_bytes = RoundToSector(std::max(options.segment_bytes, kMinSegmentBytes));
  std::unique_ptr<Wal> wal(new Wal(files, std::move(dir), rounded));
  *out = {};
  if (Status s = wal->Recover(out); !s.ok()) return s;
  wal->PublishSizes();
  return wal;
}

Status Wal::Recover(Recovered* out) {
  if (Status s = files_.MakeDir(dir_); !s.ok()) return s;
  LogContents found;
  const LogOwner owner{options_.cluster_id, options_.node, options_.group};
  if (Status s = ReadLog(files_, dir_, &owner, nullptr, &found); !s.ok()) return s;
  if (found.fresh) {
    if (Status s = StartFresh(found); !s.ok()) return s;
    out->fresh = true;
  } else {
    VoteContents vote;
    Result<std::unique_ptr<VoteFile>> opened =
        VoteFile::Open(files_, dir_, options_.cluster_id, options_.node, &vote);
    if (!opened.ok()) return opened.status();
    vote_ = std::move(opened).value();
    if (Status s = NoteFindings(found); !s.ok()) return s;
    if (Status s = segment_files_.RemoveAll(found.leftovers); !s.ok()) return s;
    if (Status s = segment_files_.Adopt(found.spares); !s.ok()) return s;
    if (Status s = ContinueInNewSegment(found); !s.ok()) return s;
    if (Status s = TruncateCutTail(found); !s.ok()) return s;
    if (Status s = DropOldSegments(); !s.ok()) return s;
    Report(std::move(found), out);
  }
  // More spares are made by TendSpares, when there is time: a start should not wait for them.
  return Status::Ok();
}

Status Wal::StartFresh(const LogContents& found) {
  // A first start that was interrupted left an empty segment at most. Spares of a log that somebody
  // has removed are not used: segments are numbered from 1 again, and by their number alone the
  // bytes that a spare holds are known for old ones.
  std::vector<std::string> remains = found.leftovers;
  if (found.half_created) remains.push_back(SegmentName(1));
  for (const uint64_t spare : found.spares) remains.push_back(SpareName(spare));
  if (Status s = segment_files_.RemoveAll(remains); !s.ok()) return s;
  if (Status s = segment_files_.HaveSpare(); !s.ok()) return s;
  Result<std::unique_ptr<File>> file = segment_files_.Prepare(1, options_.segment_bytes);
  if (!file.ok()) return file.status();
  if (Status s = file.value()->Write(0, EncodeHeader(HeaderHere(1))); !s.ok()) return s;
  if (Status s = file.value()->SyncData(); !s.ok()) return s;
  if (Status s = segment_files_.Announce(1); !s.ok()) return s;
  file_ = std::move(file).value();
  segments_.push_back({1, options_.segment_bytes, kSegmentHeaderBytes, Index()});
  offset_ = kSegmentHeaderBytes;
  chain_ = ChainStart(1);
  // The vote file comes second: a vote file without a log means that a log was lost.
  if (Status s = VoteFile::Create(files_, dir_, options_.cluster_id, options_.node, WitnessHere());
      !s.ok()) {
    return s;
  }
  VoteContents contents;
  Result<std::unique_ptr<VoteFile>> vote =
      VoteFile::Open(files_, dir_, options_.cluster_id, options_.node, &contents);
  if (!vote.ok()) return vote.status();
  vote_ = std::move(vote).value();
  return Status::Ok();
}

Status Wal::NoteFindings(const LogContents& found) {
  const Witness& before = found.vote.witness;
  owed_.owed = before.owed || found.shorter_than_witness;
  owed_.owed_index = before.owed_index;
  owed_.owed_term = before.owed_term;
  if (found.shorter_than_witness && (!before.owed || before.index > before.owed_index)) {
    owed_.owed_index = before.index;
    owed_.owed_term = before.term;
  }
  Witness witness = owed_;
  witness.segment = found.segments.back().header.sequence;
  witness.batch = found.durable_batch;
  witness.index = found.next.last_index;
  witness.term = found.next.last_term;
  if (Status s = vote_->WriteWitness(witness); !s.ok()) return s;
  return vote_->Sync();
}

Status Wal::ContinueInNewSegment(const LogContents& found) {
  for (const LogContents::Segment& segment : found.segments) {
    segments_.push_back(
        {segment.header.sequence, segment.file_bytes, segment.used_bytes, segment.last_live});
  }
  const uint64_t sequence = found.next.sequence;
  uint64_t record_bytes = 0;
  for (const std::string_view body : found.unproven) record_bytes += BatchBuilder::BodyBytes(body);
  const uint64_t batch_bytes = found.unproven.empty() ? 0 : BatchBuilder::BatchBytes(record_bytes);
  const uint64_t file_bytes = std::max(options_.segment_bytes, kSegmentHeaderBytes + batch_bytes);

  if (Status s = segment_files_.HaveSpare(); !s.ok()) return s;
  Result<std::unique_ptr<File>> file = segment_files_.Prepare(sequence, file_bytes);
  if (!file.ok()) return file.status();
  file_ = std::move(file).value();
  if (Status s = file_->Write(0, EncodeHeader(found.next)); !s.ok()) return s;
  segments_.push_back({sequence, file_bytes, kSegmentHeaderBytes, Index()});
  offset_ = kSegmentHeaderBytes;
  chain_ = ChainStart(sequence);
  batch_ = synced_batch_ = found.durable_batch;
  if (!found.unproven.empty()) {
    batch_builder_.Begin(chain_);
    for (const std::string_view body : found.unproven) batch_builder_.AddBody(body);
    if (Status s = WriteBatch(); !s.ok()) return s;
    segments_.back().last_live = found.last_index;
  }
  if (Status s = file_->SyncData(); !s.ok()) return s;
  if (Status s = segment_files_.Announce(sequence); !s.ok()) return s;
  dirty_ = false;
  synced_batch_ = batch_;
  base_ = found.base;
  last_index_ = found.last_index;
  last_term_ = found.last_term;
  return SyncWitness();
}

// The rest of the old segment is never read again. After a loss it is left for people to look at.
Status Wal::TruncateCutTail(const LogContents& found) {
  if (found.shorter_than_witness) return Status::Ok();
  Segment& old = segments_[segments_.size() - 2];
  if (old.used_bytes >= old.file_bytes) return Status::Ok();
  Result<std::unique_ptr<File>> file =
      files_.Open(JoinPath(dir_, SegmentName(old.sequence)), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  if (Status s = file.value()->Truncate(old.used_bytes); !s.ok()) return s;
  old.file_bytes = old.used_bytes;
  return Status::Ok();
}

void Wal::Report(LogContents found, Recovered* out) {
  out->hard_state = found.vote.hard_state;
  if (last_term_ > out->hard_state.term) out->hard_state = {last_term_, NodeId()};
  out->base = base_;
  out->entries = std::move(found.entries);
  out->last_batch = batch_;
  out->shorter_than_witness = owed_.owed;
  out->witness_index = owed_.owed ? owed_.owed_index : last_index_;
  out->witness_term = owed_.owed ? owed_.owed_term : last_term_;
  out->note = std::move(found.note);
}

}  // namespace kvorum::disk
