// SPDX-License-Identifier: Apache-2.0
#include "disk/inspect.h"

#include <charconv>
#include <string_view>

#include "disk/log_reader.h"
#include "disk/snapshot_format.h"
#include "disk/snapshot_store.h"

namespace kvorum::disk {
namespace {

constexpr std::string_view kUsage =
    "usage: kvorum-tool wal dump <dir> [--from INDEX] [--limit LINES]\n"
    "       kvorum-tool wal verify <dir>\n"
    "       kvorum-tool snapshot info <file or dir>\n"
    "Reads only. Exit code 0: intact; 1: damaged or unreadable; 2: usage.\n";

std::string_view TypeName(raft::EntryType type) {
  switch (type) {
    case raft::EntryType::kNoop:
      return "noop";
    case raft::EntryType::kBatch:
      return "batch";
    case raft::EntryType::kConfig:
      return "config";
    default:
      return "other";
  }
}

void PrintVoters(const raft::SnapshotMeta& meta, std::ostream& out) {
  const raft::Configuration& c = meta.configuration;
  const auto list = [&out](std::string_view name, const raft::Configuration::Ids& ids) {
    out << ' ' << name;
    for (const NodeId id : ids) out << ' ' << id.value();
  };
  list("voters", c.voters);
  if (c.IsJoint()) list("old voters", c.old_voters);
  if (!c.learners.empty()) list("learners", c.learners);
}

void PrintRecord(const std::string& file, uint64_t batch, const Record& record, std::ostream& out) {
  out << file << " offset " << record.offset << " batch " << batch;
  if (record.type == RecordType::kEntry) {
    out << " entry index " << record.index.value() << " term " << record.term.value() << " type "
        << TypeName(record.entry_type) << " bytes " << record.payload.size();
  } else if (record.type == RecordType::kBase) {
    out << (record.reset ? " reset" : " base") << " index " << record.base.index.value() << " term "
        << record.base.term.value();
    PrintVoters(record.base, out);
  } else {
    out << " commit records " << record.commit.records << " synced " << record.commit.synced_batch;
  }
  out << '\n';
}

// A batch's number stands in its commit record, behind the records that are printed with it.
class Dump {
 public:
  Dump(const DumpOptions& options, std::ostream& out) : options_(options), out_(out) {}

  void Visit(const std::string& file, const Record& record) {
    batch_.push_back(record);
    if (record.type != RecordType::kCommit) return;
    for (const Record& one : batch_) {
      if (one.type == RecordType::kEntry && one.index.value() < options_.from_index) continue;
      if (lines_ == options_.limit) break;
      PrintRecord(file, record.commit.batch, one, out_);
      ++lines_;
    }
    batch_.clear();
  }

 private:
  const DumpOptions& options_;
  std::ostream& out_;
  std::vector<Record> batch_;
  uint64_t lines_ = 0;
};

void PrintSummary(const LogContents& log, std::ostream& out) {
  uint64_t file_bytes = 0;
  for (const LogContents::Segment& segment : log.segments) file_bytes += segment.file_bytes;
  out << "segments " << log.segments.size() << " bytes " << file_bytes << '\n'
      << "base index " << log.base.index.value() << " term " << log.base.term.value();
  PrintVoters(log.base, out);
  out << '\n'
      << "last index " << log.last_index.value() << " term " << log.last_term.value() << " batch "
      << log.last_batch << '\n'
      << "vote term " << log.vote.hard_state.term.value() << " for "
      << log.vote.hard_state.vote.value() << " sequence " << log.vote.sequence << '\n';
  if (log.vote.witness.owed) {
    out << "owed index " << log.vote.witness.owed_index.value() << " term "
        << log.vote.witness.owed_term.value() << '\n';
  }
  if (!log.note.empty()) out << "note: " << log.note << '\n';
}

Status PrintSnapshot(Files& files, const std::string& path, std::ostream& out) {
  Result<std::unique_ptr<SnapshotReader>> opened = SnapshotReader::OpenFile(files, path);
  if (!opened.ok()) return opened.status();
  SnapshotReader& reader = *opened.value();
  std::string chunk;
  while (true) {
    Result<bool> more = reader.Next(chunk);
    if (!more.ok()) return more.status();
    if (!more.value()) break;
  }
  out << path << ": index " << reader.meta().index.value() << " term "
      << reader.meta().term.value();
  PrintVoters(reader.meta(), out);
  out << " cluster " << Hex16(reader.cluster_id()) << " chunks " << reader.chunks() << " bytes "
      << reader.content_bytes() << " file bytes " << reader.file_bytes() << " intact\n";
  return Status::Ok();
}

// Latches its first error, asked once.
class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& all) : all_(all) {}

  std::string Word() { return next_ < all_.size() ? all_[next_++] : Fail(); }
  DumpOptions Options() {
    DumpOptions options;
    while (next_ < all_.size()) {
      const std::string name = all_[next_++];
      if (name == "--from") {
        options.from_index = Number();
      } else if (name == "--limit") {
        options.limit = Number();
      } else {
        Fail();
      }
    }
    return options;
  }
  [[nodiscard]] bool Done() const { return ok_ && next_ == all_.size(); }

 private:
  std::string Fail() {
    ok_ = false;
    return {};
  }
  uint64_t Number() {
    const std::string word = Word();
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc() || end != word.data() + word.size()) Fail();
    return value;
  }

  const std::vector<std::string>& all_;
  size_t next_ = 0;
  bool ok_ = true;
};

}  // namespace

Status DumpWal(Files& files, const std::string& dir, const DumpOptions& options,
               std::ostream& out) {
  Dump dump(options, out);
  const RecordVisitor visitor = [&](const std::string& file, const Record& record) {
    dump.Visit(file, record);
  };
  LogContents log;
  if (Status s = ReadLog(files, dir, nullptr, &visitor, &log); !s.ok()) return s;
  if (log.fresh) return {StatusCode::kNotFound, dir + ": no log here"};
  return Status::Ok();
}

Status VerifyWal(Files& files, const std::string& dir, std::ostream& out) {
  LogContents log;
  if (Status s = ReadLog(files, dir, nullptr, nullptr, &log); !s.ok()) return s;
  if (log.fresh) return {StatusCode::kNotFound, dir + ": no log here"};
  PrintSummary(log, out);
  if (log.shorter_than_witness) {
    return {StatusCode::kCorrupt, dir + ": durable entries have been lost: " + log.note};
  }
  return Status::Ok();
}

Status SnapshotInfo(Files& files, const std::string& path, std::ostream& out) {
  Result<std::vector<std::string>> names = files.List(path);
  if (!names.ok()) return PrintSnapshot(files, path, out);
  Status first;
  uint64_t found = 0;
  for (const std::string& name : names.value()) {
    raft::SnapshotMeta meta;
    if (!ParseSnapshotName(name, &meta)) continue;
    ++found;
    Status s = PrintSnapshot(files, JoinPath(path, name), out);
    if (!s.ok()) out << s.message() << '\n';
    if (first.ok()) first = std::move(s);
  }
  if (found == 0) return {StatusCode::kNotFound, path + ": no snapshots here"};
  return first;
}

int RunTool(Files& files, const std::vector<std::string>& arguments, std::ostream& out,
            std::ostream& err) {
  Arguments in(arguments);
  const std::string topic = in.Word();
  const std::string action = in.Word();
  const std::string path = in.Word();
  const bool dump = topic == "wal" && action == "dump";
  const bool verify = topic == "wal" && action == "verify";
  const bool info = topic == "snapshot" && action == "info";
  const DumpOptions options = dump ? in.Options() : DumpOptions();
  if (!in.Done() || !(dump || verify || info)) {
    err << kUsage;
    return 2;
  }
  Status s;
  if (dump) s = DumpWal(files, path, options, out);
  if (verify) s = VerifyWal(files, path, out);
  if (info) s = SnapshotInfo(files, path, out);
  if (s.ok()) return 0;
  err << "kvorum-tool: " << s.message() << '\n';
  return 1;
}

}  // namespace kvorum::disk
