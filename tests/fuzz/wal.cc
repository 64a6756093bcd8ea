// SPDX-License-Identifier: Apache-2.0
//
// Opening a log that something has happened to. Three ways to make one, by the first byte:
//   0  a log is written and then damaged byte by byte, cut or grown: what opens is a state that the
//      log went through, or opening fails with a reason;
//   1  records with any bodies, framed and chained as they must be: what a writer with a bug, or a
//      lucky bit flip, might leave;
//   2  any bytes as segment and as vote file.
// Whatever opens can be written to, closed and opened again, and is then the same.
#include <algorithm>

#include "base/check.h"
#include "disk/batch_builder.h"
#include "disk/segment.h"
#include "tests/disk/log_model.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/choices.h"

namespace kvorum::fuzz {
namespace {

using disk::LogModel;
using disk::TestLog;
using model::ByteChoices;

// Appends random saves and remembers every state.
class Writer {
 public:
  Writer(ByteChoices& in, TestLog& log) : in_(in), log_(log) { KV_CHECK(log_.Open().ok()); }

  void Run() {
    for (uint64_t left = 1 + in_.Below(8); left > 0; --left) Step();
    log_.wal.reset();
  }
  [[nodiscard]] bool WentThrough(const disk::Recovered& found) const {
    const bool known =
        std::find(states_.begin(), states_.end(), disk::ModelOf(found)) != states_.end();
    return known && std::any_of(votes_.begin(), votes_.end(), [&](const raft::HardState& vote) {
             return vote == found.hard_state ||
                    found.hard_state == raft::HardState{disk::ModelOf(found).last_term() > 0
                                                            ? Term(disk::ModelOf(found).last_term())
                                                            : Term(),
                                                        NodeId()};
           });
  }

 private:
  void Step() {
    LogModel next = states_.back();
    switch (in_.Below(8)) {
      case 0:
        KV_CHECK(log_.wal->Sync().ok());
        return;
      case 1:
        if (next.entries.empty()) return;
        {
          const uint64_t to = next.base.index.value() + 1 + in_.Below(next.entries.size());
          next.Compact(disk::MetaAt(to, next.TermAt(to)));
          KV_CHECK(log_.wal->Compact(next.base).ok());
        }
        break;
      default: {
        const raft::Save save = DrawSave(next);
        next.Apply(save);
        if (save.hard_state) votes_.push_back(*save.hard_state);
        KV_CHECK(log_.wal->Append({&save, 1}).ok());
        if (in_.Below(2) == 0) KV_CHECK(log_.wal->Sync().ok());
      }
    }
    states_.push_back(next);
  }

  raft::Save DrawSave(const LogModel& now) {
    raft::Save save;
    if (term_ == 0 || in_.Below(4) == 0) save.hard_state = {Term(++term_), NodeId(in_.Below(4))};
    uint64_t next = now.last_index() + 1;
    const uint64_t kind = in_.Below(16);
    if (kind == 0) {
      next += in_.Below(5);
      save.reset_to = disk::MetaAt(next, term_);
      ++next;
    } else if (kind < 4 && save.hard_state && !now.entries.empty()) {
      next -= 1 + in_.Below(std::min<uint64_t>(now.entries.size(), 4));
    }
    for (uint64_t left = in_.Below(4); left > 0; --left) {
      const uint64_t bytes = in_.Below(16) == 0 ? 5000 : in_.Below(700);
      save.entries.push_back(disk::MakeEntry(next++, term_, std::string(bytes, 'p')));
    }
    return save;
  }

  ByteChoices& in_;
  TestLog& log_;
  uint64_t term_ = 0;
  std::vector<LogModel> states_{{}};
  std::vector<raft::HardState> votes_{{}};
};

void Damage(ByteChoices& in, disk::MemoryFiles& files) {
  for (uint64_t left = in.Below(6); left > 0; --left) {
    const std::vector<std::string> names = files.List(disk::kLogDir).value();
    const std::string path = disk::JoinPath(disk::kLogDir, names[in.Below(names.size())]);
    const uint64_t size = files.Contents(path).size();
    switch (in.Below(8)) {
      case 0:
        files.Resize(path, in.Below(std::max<uint64_t>(size, 1)));
        break;
      case 1:
        files.Resize(path, size + in.Below(600));
        break;
      case 2:
        (void)files.Remove(path);
        if (files.List(disk::kLogDir).value().empty()) return;
        break;
      default: {
        // Mostly where the records begin: the rest of a segment is zeroes.
        const uint64_t from = in.Below(2) == 0 ? 0 : std::min(size, disk::kSegmentHeaderBytes);
        const uint8_t mask = in.Byte();
        if (size > from) {
          files.Corrupt(path, from + in.Below(std::min<uint64_t>(size - from, 4096)),
                        mask == 0 ? 1 : mask);
        }
      }
    }
  }
}

// Lives on, and is found again as it was left.
void CheckUsable(TestLog& log) {
  const LogModel found = disk::ModelOf(log.recovered);
  for (size_t i = 0; i < found.entries.size(); ++i) {
    KV_CHECK(found.entries[i].index == found.base.index + i + 1);
  }
  KV_CHECK(log.recovered.hard_state.term.value() >= found.last_term());
  if (found.last_index() >= (uint64_t{1} << 62)) return;  // no log gets there
  LogModel next = found;
  const raft::Save save = disk::SaveOf(
      {disk::MakeEntry(found.last_index() + 1, std::max<uint64_t>(found.last_term(), 1), "on")});
  next.Apply(save);
  KV_CHECK(log.Write({save}).ok());
  const raft::HardState vote = log.recovered.hard_state;
  const bool barred = log.recovered.shorter_than_witness;
  const Status again = log.Open();
  KV_CHECK_MSG(again.ok(), again.message());
  KV_CHECK(disk::ModelOf(log.recovered) == next);
  KV_CHECK(log.recovered.hard_state.term >= vote.term);
  KV_CHECK(log.recovered.shorter_than_witness == barred);
}

void OpenAndCheck(TestLog& log, const Writer* writer) {
  const Status opened = log.Open();
  if (!opened.ok()) {
    KV_CHECK(!opened.message().empty());
    return;
  }
  // A log that is gone altogether is a first start: no rule of the log itself can tell.
  if (writer != nullptr && !log.recovered.fresh) KV_CHECK(writer->WentThrough(log.recovered));
  CheckUsable(log);
}

void WrittenThenDamaged(ByteChoices& in) {
  TestLog log;
  Writer writer(in, log);
  writer.Run();
  Damage(in, log.files);
  OpenAndCheck(log, &writer);
}

raft::SnapshotMeta DrawMeta(ByteChoices& in) {
  const uint64_t index = in.Below(8);
  return disk::MetaAt(index, index == 0 ? 0 : 1 + in.Below(4));
}

void AddRecord(ByteChoices& in, disk::BatchBuilder& batch) {
  switch (in.Below(4)) {
    case 0:
      return batch.AddBase(GroupId(), DrawMeta(in), in.Below(2) == 0);
    case 1:
      return batch.AddBody(in.Take(1 + in.Below(40)));
    default:
      return batch.AddEntry(GroupId(), disk::MakeEntry(in.Below(8), in.Below(4), "payload"));
  }
}

void Framed(ByteChoices& in) {
  TestLog log;
  disk::SegmentHeader header;
  header.sequence = 1;
  header.cluster_id = disk::kTestCluster;
  header.node = log.options.node;
  header.group = log.options.group;
  header.base = DrawMeta(in);
  header.last_index = header.base.index + in.Below(3);
  header.last_term = header.base.term + in.Below(3);
  header.last_batch = in.Below(3);
  std::string segment = disk::EncodeHeader(header);
  uint32_t chain = disk::ChainStart(header.sequence);
  uint64_t number = header.last_batch;
  for (uint64_t left = in.Below(5); left > 0; --left) {
    disk::BatchBuilder batch;
    batch.Begin(chain);
    for (uint64_t records = in.Below(5); records > 0; --records) AddRecord(in, batch);
    disk::CommitBody commit;
    commit.segment = header.sequence;
    commit.offset = segment.size();
    commit.batch = ++number;
    commit.synced_batch = in.Below(4) == 0 ? in.Below(8) : number - 1;
    commit.vote_sequence = in.Below(3);
    batch.Finish(header.cluster_id, commit);
    for (const std::string_view piece : batch.pieces()) segment.append(piece);
    chain = batch.chain();
  }
  segment.resize(std::max<size_t>(segment.size(), log.options.segment_bytes), '\0');
  KV_CHECK(log.files.MakeDir(disk::kLogDir).ok());
  log.files.Put(log.SegmentPath(header.sequence), segment);
  disk::Witness witness;
  witness.segment = in.Below(4) == 0 ? in.Below(3) : header.sequence;
  witness.batch = in.Below(8);
  witness.index = Index(in.Below(8));
  witness.term = Term(in.Below(4));
  KV_CHECK(disk::VoteFile::Create(log.files, disk::kLogDir, header.cluster_id, header.node, witness)
               .ok());
  OpenAndCheck(log, nullptr);
}

void Anything(ByteChoices& in) {
  TestLog log;
  KV_CHECK(log.files.MakeDir(disk::kLogDir).ok());
  const uint64_t sequence = in.Below(3);
  const std::string vote(in.Take(in.Below(2) == 0 ? 0 : in.Below(2048)));
  std::string padded = vote;
  padded.resize(disk::kVoteFileBytes, '\0');
  log.files.Put(log.VotePath(), in.Below(4) == 0 ? vote : padded);
  log.files.Put(log.SegmentPath(sequence), in.rest());
  OpenAndCheck(log, nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  switch (in.Below(8)) {
    case 0:
      Anything(in);
      break;
    case 1:
    case 2:
      Framed(in);
      break;
    default:
      WrittenThenDamaged(in);
  }
  return 0;
}

}  // namespace kvorum::fuzz
