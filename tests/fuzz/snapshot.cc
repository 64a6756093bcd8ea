// SPDX-License-Identifier: Apache-2.0
//
// Snapshots that something has happened to. By the first byte:
//   0  a snapshot file is damaged: it is refused, or it is byte for byte what was written;
//   1  a file with any contents, framed as it must be, is loaded into a machine: it is refused, or
//      the machine can be asked, written to and saved again;
//   2  a file arrives in pieces that overlap, repeat, leave gaps or are damaged: it is complete
//      only when it is what was announced.
#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "base/check.h"
#include "disk/snapshot_format.h"
#include "disk/snapshot_store.h"
#include "replica/snapshot_inbox.h"
#include "store/families.h"
#include "store/machine.h"
#include "store/snapshot_format.h"
#include "tests/disk/memory_files.h"
#include "tests/fuzz/fuzz.h"
#include "tests/model/choices.h"

namespace kvorum::fuzz {
namespace {

using model::ByteChoices;

constexpr uint64_t kCluster = 7;
constexpr const char* kDir = "snapshots";
const raft::SnapshotMeta kMeta{Index(5), Term(2), {NodeId(1), NodeId(2), NodeId(3)}};

std::unique_ptr<disk::SnapshotStore> OpenStore(disk::MemoryFiles& files) {
  auto store = disk::SnapshotStore::Open(files, kDir, kCluster);
  KV_CHECK(store.ok());
  return std::move(store).value();
}

std::string PathOf(const raft::SnapshotMeta& meta) {
  return disk::JoinPath(kDir, disk::SnapshotName(meta));
}

store::MachineOptions Options(uint64_t seed) { return {.hash_seed = seed}; }

// The contents of a snapshot of a machine that has seen some SETs.
std::string DrawStream(ByteChoices& in) {
  store::Machine machine(Options(1));
  store::EnvelopeWriter writer;
  for (uint64_t left = in.Below(12); left > 0; --left) {
    const std::string key = std::to_string(in.Below(32));
    const std::string value(in.Below(64), 'v');
    const bool expires = in.Below(3) == 0;
    const std::vector<std::string_view> argv = {"set", key, value, "px", "100"};
    writer.Add(store::Opcode::kSet, static_cast<uint8_t>(in.Below(3)), nullptr,
               std::span(argv).first(expires ? 5 : 3));
  }
  machine.Apply(Index(1), writer.Finish(1000, 0), nullptr);
  std::string stream;
  machine.BeginSnapshot();
  while (machine.SnapshotStep(1 + in.Below(64), stream)) {
  }
  return stream;
}

std::string WriteFile(std::string_view contents) {
  disk::MemoryFiles files;
  const auto store = OpenStore(files);
  auto writer = store->Create(kMeta).value();
  KV_CHECK(writer->Add(contents).ok() && writer->Finish().ok());
  return files.Contents(PathOf(kMeta));
}

void Damage(ByteChoices& in, std::string& file) {
  for (uint64_t left = in.Below(6); left > 0; --left) {
    const uint64_t kind = in.Below(8);
    if (kind == 0) {
      file.resize(in.Below(file.size() + 1));
    } else if (kind == 1) {
      file.append(in.Take(in.Below(40)));
    } else if (!file.empty()) {
      const size_t at = in.Below(file.size());
      file[at] = static_cast<char>(file[at] ^ in.Byte());
    }
  }
}

Status ReadBack(disk::SnapshotStore& store, std::string& contents) {
  auto reader = store.Read(kMeta);
  if (!reader.ok()) return reader.status();
  std::string chunk;
  while (true) {
    const Result<bool> more = reader.value()->Next(chunk);
    if (!more.ok()) return more.status();
    if (!more.value()) return Status::Ok();
    contents += chunk;
  }
}

void DamagedFile(ByteChoices& in) {
  const std::string contents = DrawStream(in);
  const std::string file = WriteFile(contents);
  std::string damaged = file;
  Damage(in, damaged);
  disk::MemoryFiles files;
  KV_CHECK(files.MakeDir(kDir).ok());
  files.Put(PathOf(kMeta), damaged);
  auto opened = disk::SnapshotStore::Open(files, kDir, kCluster);
  if (!opened.ok()) {
    KV_CHECK(damaged != file);
    return;
  }
  const auto store = std::move(opened).value();
  const Status verified = store->Verify(kMeta);
  KV_CHECK(verified.ok() == (damaged == file));
  KV_CHECK(verified.ok() || verified.code() == StatusCode::kCorrupt);
  std::string read;
  if (ReadBack(*store, read).ok()) KV_CHECK(read == contents);
  std::string note;
  const auto chosen = store->ChooseForRecovery(kMeta, &note);
  KV_CHECK(chosen.ok() == verified.ok());
}

Status Load(store::Machine& machine, std::string_view stream, size_t piece) {
  machine.BeginLoad();
  for (size_t at = 0; at < stream.size(); at += piece) {
    const Status status = machine.LoadChunk(stream.substr(at, piece));
    if (!status.ok()) {
      // Bytes that claim to be of a later release.
      const bool newer = status.code() == StatusCode::kInvalid;
      KV_CHECK(newer || status.code() == StatusCode::kCorrupt);
      machine.AbortLoad();
      return status;
    }
  }
  return machine.FinishLoad(Index(5));
}

std::string Save(store::Machine& machine) {
  std::string stream;
  machine.BeginSnapshot();
  while (machine.SnapshotStep(50, stream)) {
  }
  return stream;
}

void PutFrame(std::string& out, uint64_t kind, std::string_view body) {
  PutU8(out, static_cast<uint8_t>(kind));
  PutString(out, body);
}

// Frames of the stream, well-formed to some depth.
std::string HostileStream(ByteChoices& in) {
  std::string stream;
  const uint64_t shape = in.Below(4);
  if (shape == 0) return std::string(in.rest());
  store::AppendSnapshotHeader(stream, {static_cast<UnixMs>(in.Below(2000)), store::kDatabases});
  uint64_t records = 0;
  while (!in.empty()) {
    if (shape == 1) {
      PutFrame(stream, in.Below(5), in.Take(in.Below(40)));
    } else if (in.Below(8) == 0) {
      PutFrame(stream, 2, in.Take(in.Below(40)));
      ++records;
    } else {
      const std::string_view key = in.Take(in.Below(6));
      const std::string_view value = in.Take(in.Below(24));
      std::optional<UnixMs> deadline;
      if (in.Below(3) == 0) deadline = static_cast<UnixMs>(in.Below(4000));
      store::RecordHeap heap;
      store::Record* const record =
          store::Record::Create(heap, key, store::Record::Encode(value), deadline, 0);
      const size_t at = stream.size();
      store::AppendSnapshotRecord(stream, static_cast<uint8_t>(in.Below(18)), *record);
      store::Record::Free(heap, record);
      if (in.Below(4) == 0) {
        const size_t place = at + in.Below(stream.size() - at);
        stream[place] = static_cast<char>(stream[place] ^ in.Byte());
      }
      ++records;
    }
  }
  if (shape == 3) --records;
  store::AppendSnapshotEnd(stream, records);
  return stream;
}

void HostileContents(ByteChoices& in) {
  const size_t piece = 1 + in.Below(300);
  const std::string stream = HostileStream(in);
  store::Machine machine(Options(1));
  store::Machine other(Options(2));
  const Status loaded = Load(machine, stream, piece);
  KV_CHECK(loaded.ok() == Load(other, stream, stream.size() + 1).ok());
  if (!loaded.ok()) {
    KV_CHECK(machine.applied() == Index() && machine.KeyCount(0) == 0);
    return;
  }
  KV_CHECK(machine.Digest() == other.Digest());
  store::Machine again(Options(3));
  KV_CHECK(Load(again, Save(machine), 100).ok());
  KV_CHECK(again.Digest() == machine.Digest());
  // Time goes on: what is expired goes, what is not can be asked for.
  machine.Apply(Index(6), store::EnvelopeWriter().Finish(3000, 0), nullptr);
  std::string out;
  resp::Reply reply(&out);
  const std::vector<std::string_view> argv = {"keys", "*"};
  machine.Read(*store::StoreIndex().Find("keys"), argv, 0, 3000, reply);
}

class Queue : public replica::Background {
 public:
  void Run(std::function<void()> job, std::function<void()> done) override {
    jobs_.emplace_back(std::move(job), std::move(done));
  }
  void RunAll() {
    while (!jobs_.empty()) {
      const auto [job, done] = std::move(jobs_.front());
      jobs_.pop_front();
      job();
      done();
    }
  }

 private:
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

raft::InstallSnapshot DrawPiece(ByteChoices& in, const std::string& file, uint64_t received) {
  raft::InstallSnapshot piece{.term = Term(2), .meta = kMeta, .total = file.size()};
  const uint64_t kind = in.Below(16);
  piece.offset = kind < 10 ? received : in.Below(file.size() + 1);
  piece.bytes = file.substr(std::min<size_t>(piece.offset, file.size()), 1 + in.Below(300));
  if (kind == 10) piece.total = in.Below(1000);
  if (kind == 11) piece.meta.index = Index(in.Below(10));
  if (kind == 12) piece.term = Term(in.Below(4));
  if (kind == 13) piece.bytes = std::string(in.Take(in.Below(100)));
  if (kind == 14 && !piece.bytes.empty()) {
    piece.bytes[in.Below(piece.bytes.size())] = static_cast<char>(in.Byte());
  }
  if (kind == 15) piece.meta.term = Term(3);
  // The codec refuses pieces that lie outside of their file.
  piece.offset = std::min(piece.offset, piece.total);
  piece.bytes.resize(std::min<uint64_t>(piece.bytes.size(), piece.total - piece.offset));
  return piece;
}

void Received(ByteChoices& in) {
  const std::string file = WriteFile(DrawStream(in));
  disk::MemoryFiles files;
  const auto store = OpenStore(files);
  Queue queue;
  uint64_t received = 0;
  bool complete = false;
  replica::SnapshotInbox inbox(
      *store, queue,
      {.progress = [&](NodeId, Index, uint64_t bytes) { received = bytes; },
       .complete =
           [&](NodeId, const raft::SnapshotMeta& meta, const auto&...) {
             KV_CHECK(meta == kMeta);
             KV_CHECK(files.Contents(PathOf(meta)) == file);
             KV_CHECK(store->Latest() == meta && store->Verify(meta).ok());
             complete = true;
           }});
  while (!in.empty()) {
    inbox.Add(NodeId(1 + in.Below(2)), DrawPiece(in, file, received));
    if (in.Below(4) != 0) queue.RunAll();
  }
  queue.RunAll();
  if (complete) return;
  // And when all goes well at last, it arrives.
  received = 0;
  for (int tries = 0; tries < 100 && !complete; ++tries) {
    raft::InstallSnapshot piece{
        .term = Term(9), .meta = kMeta, .offset = received, .total = file.size()};
    piece.bytes = file.substr(received, 100);
    inbox.Add(NodeId(1), std::move(piece));
    queue.RunAll();
  }
  KV_CHECK(complete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  switch (in.Below(4)) {
    case 0:
      DamagedFile(in);
      break;
    case 1:
      Received(in);
      break;
    default:
      HostileContents(in);
  }
  return 0;
}

}  // namespace kvorum::fuzz
