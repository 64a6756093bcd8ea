// SPDX-License-Identifier: Apache-2.0
#include "disk/log_reader.h"

#include <algorithm>
#include <utility>

namespace kvorum::disk {
namespace {

constexpr std::string_view kSegmentPrefix = "wal-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kTemporarySuffix = ".tmp";

bool ParseName(std::string_view name, std::string_view prefix, uint64_t* number) {
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return false;
  if (name.size() != prefix.size() + 16 + kSuffix.size()) return false;
  return ParseHex16(name.substr(prefix.size(), 16), number);
}

// One reading of one directory.
class Reading {
 public:
  Reading(Files& files, const std::string& dir, const LogOwner* owner, const RecordVisitor* visitor,
          LogContents* out)
      : files_(files), dir_(dir), owner_(owner), visitor_(visitor), out_(*out) {}

  Status Run() {
    if (Status s = ListNames(); !s.ok() || out_.fresh) return s;
    if (Status s = ReadVote(); !s.ok()) return s;
    if (Status s = ReadHeaders(); !s.ok()) return s;
    replay_.Start(out_.segments.front().header, out_.segments.back().header.base.index);
    for (size_t i = 0; i + 1 < out_.segments.size(); ++i) {
      if (Status s = ReadClosed(i); !s.ok()) return s;
    }
    if (Status s = ReadLast(); !s.ok() || out_.fresh) return s;
    if (const char* wrong = replay_.Finish(); wrong != nullptr) return Damaged(0, 0, wrong);
    return Conclude();
  }

 private:
  [[nodiscard]] std::string PathOf(size_t i) const {
    return JoinPath(dir_, SegmentName(out_.segments[i].header.sequence));
  }
  [[nodiscard]] Status Damaged(size_t i, uint64_t offset, std::string_view what) const {
    return {StatusCode::kCorrupt,
            PathOf(i) + " at offset " + std::to_string(offset) + ": " + std::string(what)};
  }
  [[nodiscard]] Status StaleVote(uint64_t sequence) const {
    return {StatusCode::kCorrupt,
            JoinPath(dir_, VoteFile::kName) + " at offset 0: the log was written when hard state " +
                std::to_string(sequence) + " was durable, but this is hard state " +
                std::to_string(out_.vote.sequence) + ": a vote has been lost"};
  }
  void Note(const std::string& what) {
    if (!out_.note.empty()) out_.note += "; ";
    out_.note += what;
  }

  Status ListNames() {
    Result<std::vector<std::string>> names = files_.List(dir_);
    if (!names.ok()) {
      if (names.status().code() != StatusCode::kNotFound) return names.status();
      out_.fresh = true;
      return Status::Ok();
    }
    std::vector<uint64_t> sequences;
    for (const std::string& name : names.value()) {
      uint64_t number = 0;
      if (ParseName(name, kSegmentPrefix, &number)) {
        sequences.push_back(number);
      } else if (ParseName(name, kSparePrefix, &number)) {
        out_.spares.push_back(number);
      } else if (name.ends_with(kTemporarySuffix) &&
                 (name.starts_with(kSegmentPrefix) || name.starts_with(VoteFile::kName))) {
        out_.leftovers.push_back(name);
      } else if (name == VoteFile::kName) {
        has_vote_ = true;
      }
    }
    if (sequences.empty()) {
      if (has_vote_) {
        return {StatusCode::kCorrupt, dir_ + ": there is a vote file but no log segment"};
      }
      out_.fresh = true;
      return Status::Ok();
    }
    KeepNewestRun(sequences);
    return Status::Ok();
  }

  // Segments are numbered without gaps. What lies before a gap either was compacted away in part
  // (then the rest of the log is complete without it) or the gap is damage: Finish tells.
  void KeepNewestRun(const std::vector<uint64_t>& sequences) {
    size_t first = sequences.size() - 1;
    while (first > 0 && sequences[first - 1] + 1 == sequences[first]) --first;
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (i < first) {
        out_.leftovers.push_back(SegmentName(sequences[i]));
        Note(SegmentName(sequences[i]) + " is left over from a compaction");
      } else {
        out_.segments.emplace_back();
        out_.segments.back().header.sequence = sequences[i];
      }
    }
  }

  Status ReadVote() {
    if (!has_vote_) return Status::Ok();  // ReadLast tells a first start from a loss
    Result<VoteContents> vote = owner_ != nullptr
                                    ? VoteFile::Read(files_, dir_, owner_->cluster_id, owner_->node)
                                    : VoteFile::ReadAny(files_, dir_);
    if (!vote.ok()) return vote.status();
    out_.vote = std::move(vote).value();
    if (!out_.vote.note.empty()) Note(out_.vote.note);
    const uint64_t newest = out_.segments.back().header.sequence;
    const uint64_t known = out_.vote.witness.segment;
    if (newest < known) {
      return {StatusCode::kCorrupt, JoinPath(dir_, SegmentName(known)) +
                                        " at offset 0: the newest segment of the log is missing"};
    }
    // Each new segment is noted in the vote file before the next one is made.
    if (newest > known + 1) {
      return {StatusCode::kCorrupt,
              JoinPath(dir_, VoteFile::kName) + " at offset 0: older than the log beside it"};
    }
    return Status::Ok();
  }

  Status ReadHeaders() {
    for (size_t i = 0; i < out_.segments.size(); ++i) {
      LogContents::Segment& segment = out_.segments[i];
      Result<std::unique_ptr<File>> file = files_.Open(PathOf(i), OpenMode::kRead);
      if (!file.ok()) return file.status();
      Result<uint64_t> size = file.value()->Size();
      if (!size.ok()) return size.status();
      segment.file_bytes = size.value();
      if (size.value() < kSegmentHeaderBytes) return Damaged(i, size.value(), "no whole header");
      std::string block;
      if (Status s = ReadExactly(*file.value(), 0, kSegmentHeaderBytes, block); !s.ok()) return s;
      SegmentHeader header;
      if (!DecodeHeader(block, &header)) return Damaged(i, 0, "the segment header is damaged");
      if (header.sequence != segment.header.sequence) {
        return Damaged(i, 0, "the header of another segment");
      }
      if (owner_ != nullptr && (header.cluster_id != owner_->cluster_id ||
                                header.node != owner_->node || header.group != owner_->group)) {
        return {StatusCode::kInvalid, PathOf(i) + " belongs to node " +
                                          std::to_string(header.node.value()) + " of cluster " +
                                          Hex16(header.cluster_id)};
      }
      segment.header = std::move(header);
    }
    return Status::Ok();
  }

  Status ReplayBatch(size_t i, const std::vector<Record>& records) {
    for (const Record& record : records) {
      if (record.type == RecordType::kCommit) {
        if (record.commit.vote_sequence > out_.vote.sequence) {
          return StaleVote(record.commit.vote_sequence);
        }
        synced_batch_ = std::max(synced_batch_, record.commit.synced_batch);
      }
      if (const char* wrong = replay_.Apply(record, i); wrong != nullptr) {
        return Damaged(i, record.offset, wrong);
      }
      if (visitor_ != nullptr) (*visitor_)(SegmentName(out_.segments[i].header.sequence), record);
    }
    return Status::Ok();
  }

  // A segment with a successor: everything up to where the successor begins was durable.
  Status ReadClosed(size_t i) {
    Result<std::string> bytes = ReadWhole(files_, PathOf(i));
    if (!bytes.ok()) return bytes.status();
    const SegmentHeader& next = out_.segments[i + 1].header;
    BatchReader reader(bytes.value(), out_.segments[i].header);
    std::vector<Record> records;
    while (reader.batch() < next.last_batch) {
      if (!reader.NextBatch(records)) return Damaged(i, reader.bad_offset(), reader.why());
      if (Status s = ReplayBatch(i, records); !s.ok()) return s;
    }
    out_.segments[i].used_bytes = reader.offset();
    if (!replay_.Continues(next, reader.batch())) {
      return Damaged(i + 1, 0, "the segment does not continue the one before it");
    }
    return Status::Ok();
  }

  Status ReadLast() {
    const size_t last = out_.segments.size() - 1;
    Result<std::string> bytes = ReadWhole(files_, PathOf(last));
    if (!bytes.ok()) return bytes.status();
    out_.last_segment = std::make_unique<std::string>(std::move(bytes).value());
    const SegmentHeader& header = out_.segments[last].header;

    // First what is there and what is proven, then what it means.
    BatchReader scout(*out_.last_segment, header);
    std::vector<Record> records;
    uint64_t proven = std::max({header.last_batch, synced_batch_, out_.vote.witness.batch});
    while (scout.NextBatch(records)) proven = std::max(proven, records.back().commit.synced_batch);
    if (Status s = JudgeTail(last, scout); !s.ok()) {
      if (visitor_ != nullptr) (void)ReplayUpTo(last, scout.batch());  // show what is readable
      return s;
    }
    if (!has_vote_) {
      if (header.sequence != 1 || scout.batch() != 0) {
        return {StatusCode::kCorrupt, dir_ + ": there is a log but no vote file"};
      }
      out_.fresh = out_.half_created = true;
      return Status::Ok();
    }
    out_.last_batch = scout.batch();
    out_.durable_batch = std::min(proven, scout.batch());
    out_.shorter_than_witness = out_.vote.witness.batch > scout.batch();

    BatchReader reader(*out_.last_segment, header);
    NoteDurablePoint(reader.offset(), last);
    while (reader.batch() < out_.last_batch && reader.NextBatch(records)) {
      if (Status s = ReplayBatch(last, records); !s.ok()) return s;
      if (reader.batch() <= out_.durable_batch) {
        NoteDurablePoint(reader.offset(), last);
        continue;
      }
      for (const Record& record : records) {
        if (record.type != RecordType::kCommit) out_.unproven.push_back(record.body);
      }
    }
    return Status::Ok();
  }

  Status ReplayUpTo(size_t i, uint64_t batch) {
    BatchReader reader(*out_.last_segment, out_.segments[i].header);
    std::vector<Record> records;
    while (reader.batch() < batch && reader.NextBatch(records)) {
      if (Status s = ReplayBatch(i, records); !s.ok()) return s;
    }
    return Status::Ok();
  }

  void NoteDurablePoint(uint64_t offset, size_t last) {
    const SegmentHeader& header = out_.segments[last].header;
    out_.segments[last].used_bytes = offset;
    out_.next = header;
    out_.next.sequence = header.sequence + 1;
    out_.next.last_batch = out_.durable_batch;
    out_.next.last_index = replay_.last_index();
    out_.next.last_term = replay_.last_term();
    out_.next.base = replay_.base();
  }

  // The end of the newest segment: a torn write, or damage to something that was durable?
  Status JudgeTail(size_t last, const BatchReader& scout) {
    if (scout.nonsense()) return Damaged(last, scout.bad_offset(), scout.why());
    const BatchReader::Evidence evidence = scout.SearchBehind();
    if (evidence.synced_batch > scout.batch()) {
      return Damaged(last, scout.bad_offset(),
                     std::string(scout.why()) + " in batch " + std::to_string(scout.batch() + 1) +
                         ", which the record at offset " + std::to_string(evidence.offset) +
                         " says was durable");
    }
    if (has_vote_ && evidence.vote_sequence > out_.vote.sequence) {
      return StaleVote(evidence.vote_sequence);
    }
    const bool torn = evidence.any || scout.bad_offset() != scout.offset();
    if (torn && out_.vote.witness.batch <= scout.batch()) {
      Note("cut an unsynced batch: " + PathOf(last) + " at offset " +
           std::to_string(scout.offset()));
    }
    return Status::Ok();
  }

  Status Conclude() {
    out_.base = replay_.base();
    out_.last_index = replay_.last_index();
    out_.last_term = replay_.last_term();
    out_.entries = std::move(replay_.entries());
    for (size_t i = 0; i < out_.segments.size(); ++i) {
      out_.segments[i].last_live = replay_.last_live(i);
    }
    const Witness& witness = out_.vote.witness;
    if (out_.shorter_than_witness) {
      Note("the log ends at batch " + std::to_string(out_.last_batch) + ", but batch " +
           std::to_string(witness.batch) + " (index " + std::to_string(witness.index.value()) +
           ") was durable: entries have been lost");
    } else if (witness.batch == out_.durable_batch &&
               (witness.index != out_.next.last_index || witness.term != out_.next.last_term)) {
      return Damaged(out_.segments.size() - 1, 0, "the log ends elsewhere than its witness says");
    }
    return Status::Ok();
  }

  Files& files_;
  const std::string& dir_;
  const LogOwner* owner_;
  const RecordVisitor* visitor_;
  LogContents& out_;
  LogReplay replay_;
  bool has_vote_ = false;
  uint64_t synced_batch_ = 0;
};

}  // namespace

std::string SegmentName(uint64_t sequence) {
  return std::string(kSegmentPrefix) + Hex16(sequence) + std::string(kSuffix);
}

std::string SpareName(uint64_t number) {
  return std::string(kSparePrefix) + Hex16(number) + std::string(kSuffix);
}

Status ReadLog(Files& files, const std::string& dir, const LogOwner* owner,
               const RecordVisitor* visitor, LogContents* out) {
  *out = {};
  return Reading(files, dir, owner, visitor, out).Run();
}

}  // namespace kvorum::disk
