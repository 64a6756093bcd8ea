// SPDX-License-Identifier: Apache-2.0
#include "disk/segment.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/meta_coding.h"

namespace kvorum::disk {
namespace {

constexpr uint64_t kSegmentMagic = 0x474F4C4D52564B01ULL;
// Starts every commit record's body, so that a search finds it behind damage.
constexpr uint64_t kCommitMark = 0x9C71E6B42FD0A835ULL;

// Bound to the cluster, whose id clients do not know: a value that imitates a commit record is not
// taken for one.
uint32_t CommitCrc(uint64_t cluster_id, std::string_view body) {
  std::string seed;
  PutU64(seed, cluster_id);
  return Crc32c(Crc32c(0, seed), body);
}

bool DecodeCommit(std::string_view body, uint64_t cluster_id, CommitBody* commit) {
  if (body.size() != kCommitBodyBytes) return false;
  Reader in(body);
  const bool typed = in.U8() == static_cast<uint8_t>(RecordType::kCommit);
  const bool marked = in.U64() == kCommitMark;
  commit->segment = in.U64();
  commit->offset = in.U64();
  commit->batch = in.U64();
  commit->synced_batch = in.U64();
  commit->vote_sequence = in.U64();
  commit->records = in.U32();
  const uint32_t crc = in.U32();
  return in.Done() && typed && marked &&
         crc == CommitCrc(cluster_id, body.substr(0, kCommitBodyBytes - 4));
}

}  // namespace

std::string EncodeHeader(const SegmentHeader& header) {
  std::string block;
  PutU64(block, kSegmentMagic);
  PutU32(block, kSegmentVersion);
  PutU64(block, header.sequence);
  PutU64(block, header.cluster_id);
  PutU64(block, header.node.value());
  PutU32(block, header.group.value());
  PutU64(block, header.last_batch);
  PutU64(block, header.last_index.value());
  PutU64(block, header.last_term.value());
  PutMeta(block, header.base);
  KV_CHECK(block.size() <= kSegmentHeaderBytes - 4);
  block.resize(kSegmentHeaderBytes - 4, '\0');
  PutU32(block, Crc32c(0, block));
  return block;
}

bool DecodeHeader(std::string_view block, SegmentHeader* header) {
  if (block.size() < kSegmentHeaderBytes) return false;
  uint32_t crc = 0;
  std::memcpy(&crc, block.data() + kSegmentHeaderBytes - 4, 4);
  block = block.substr(0, kSegmentHeaderBytes - 4);
  if (crc != Crc32c(0, block)) return false;
  Reader in(block);
  if (in.U64() != kSegmentMagic) return false;
  if (const uint32_t version = in.U32(); version < 1 || version > kSegmentVersion) return false;
  header->sequence = in.U64();
  header->cluster_id = in.U64();
  header->node = NodeId(in.U64());
  header->group = GroupId(in.U32());
  header->last_batch = in.U64();
  header->last_index = Index(in.U64());
  header->last_term = Term(in.U64());
  header->base = ReadMeta(in);
  // Terms do not fall along a log, and where it is no longer than its base it ends in its term.
  const bool at_base = header->last_index == header->base.index;
  return in.ok() && header->sequence != 0 && header->last_index >= header->base.index &&
         header->last_term >= header->base.term &&
         (!at_base || header->last_term == header->base.term);
}

uint32_t ChainStart(uint64_t segment) {
  std::string seed;
  PutU64(seed, segment);
  return Crc32c(0, seed);
}

void PutEntryBody(std::string& out, GroupId group, const raft::Entry& entry) {
  // A field that is added to the struct must not be forgotten here: this line stops compiling.
  const auto& [term, index, type, payload] = entry;
  PutU8(out, static_cast<uint8_t>(RecordType::kEntry));
  PutU32(out, group.value());
  PutU64(out, index.value());
  PutU64(out, term.value());
  PutU8(out, static_cast<uint8_t>(type));
}

void PutBaseBody(std::string& out, GroupId group, const raft::SnapshotMeta& base, bool reset) {
  PutU8(out, static_cast<uint8_t>(RecordType::kBase));
  PutU32(out, group.value());
  PutU8(out, reset ? 1 : 0);
  PutMeta(out, base);
}

void PutCommitBody(std::string& out, uint64_t cluster_id, const CommitBody& commit) {
  const size_t start = out.size();
  PutU8(out, static_cast<uint8_t>(RecordType::kCommit));
  PutU64(out, kCommitMark);
  PutU64(out, commit.segment);
  PutU64(out, commit.offset);
  PutU64(out, commit.batch);
  PutU64(out, commit.synced_batch);
  PutU64(out, commit.vote_sequence);
  PutU32(out, commit.records);
  PutU32(out, CommitCrc(cluster_id, std::string_view(out).substr(start)));
}

BatchReader::BatchReader(std::string_view bytes, const SegmentHeader& header)
    : bytes_(bytes),
      segment_(header.sequence),
      cluster_id_(header.cluster_id),
      group_(header.group),
      chain_(ChainStart(header.sequence)),
      batch_(header.last_batch) {}

bool BatchReader::Bad(uint64_t at, const char* why) {
  bad_offset_ = at;
  why_ = why;
  return false;
}

bool BatchReader::Nonsense(uint64_t at, const char* why) {
  nonsense_ = true;
  return Bad(at, why);
}

bool BatchReader::NextRecord(uint64_t* at, uint32_t* chain, Record* record) {
  const uint64_t start = *at;
  if (start > bytes_.size() || bytes_.size() - start < kRecordFrameBytes) {
    return Bad(start, "the file ends within a batch");
  }
  uint32_t length = 0;
  std::memcpy(&length, bytes_.data() + start, 4);
  if (length == 0 || length > kMaxRecordBytes) return Bad(start, "not a record length");
  if (length > bytes_.size() - start - kRecordFrameBytes) {
    return Bad(start, "the file ends within a record");
  }
  const std::string_view checked = bytes_.substr(start, 4 + length);
  uint32_t stored = 0;
  std::memcpy(&stored, bytes_.data() + start + 4 + length, 4);
  const uint32_t crc = Crc32c(*chain, checked);
  if (crc != stored) return Bad(start, "the checksum of a record does not match");
  *record = {};
  record->offset = start;
  record->body = checked.substr(4);
  if (!Parse(record->body, record)) return Nonsense(start, "a record makes no sense");
  *chain = crc;
  *at = start + length + kRecordFrameBytes;
  return true;
}

bool BatchReader::Parse(std::string_view body, Record* record) {
  Reader in(body);
  record->type = static_cast<RecordType>(in.U8());
  switch (record->type) {
    case RecordType::kEntry: {
      const GroupId group(in.U32());
      record->index = Index(in.U64());
      record->term = Term(in.U64());
      record->entry_type = static_cast<raft::EntryType>(in.U8());
      record->payload = in.Take(in.remaining());
      if (record->entry_type == raft::EntryType::kConfig &&
          !raft::DecodeConfiguration(record->payload)) {
        return false;
      }
      return in.ok() && group == group_ && record->index.value() != 0 &&
             record->index != Index::Max() && record->term.value() != 0 &&
             record->term != Term::Max() && static_cast<uint8_t>(record->entry_type) != 0;
    }
    case RecordType::kBase: {
      const GroupId group(in.U32());
      const uint8_t reset = in.U8();
      record->base = ReadMeta(in);
      record->reset = reset == 1;
      return in.Done() && group == group_ && reset <= 1;
    }
    case RecordType::kCommit:
      return DecodeCommit(body, cluster_id_, &record->commit);
  }
  return false;
}

bool BatchReader::CheckCommit(const CommitBody& commit, size_t records) {
  if (commit.segment != segment_ || commit.offset != offset_) {
    return Nonsense(offset_, "a batch that was written for another place");
  }
  if (commit.batch != batch_ + 1) return Nonsense(offset_, "a batch out of order");
  if (commit.synced_batch >= commit.batch)
    return Nonsense(offset_, "a batch that foresees its sync");
  if (commit.records != records) return Nonsense(offset_, "a batch with records missing");
  return true;
}

BatchReader::Evidence BatchReader::SearchBehind() const {
  Evidence evidence;
  std::string mark;
  PutU8(mark, static_cast<uint8_t>(RecordType::kCommit));
  PutU64(mark, kCommitMark);
  PutU64(mark, segment_);
  for (size_t at = bytes_.find(mark, offset_); at != std::string_view::npos;
       at = bytes_.find(mark, at + 1)) {
    CommitBody commit;
    if (!DecodeCommit(bytes_.substr(at, kCommitBodyBytes), cluster_id_, &commit)) continue;
    if (commit.batch <= batch_ || commit.offset < offset_ || commit.offset > at) continue;
    evidence.any = true;
    evidence.vote_sequence = std::max(evidence.vote_sequence, commit.vote_sequence);
    if (commit.synced_batch > evidence.synced_batch) {
      evidence.synced_batch = commit.synced_batch;
      evidence.offset = at;
    }
  }
  return evidence;
}

}  // namespace kvorum::disk
