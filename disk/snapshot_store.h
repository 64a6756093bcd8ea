// SPDX-License-Identifier: Apache-2.0
//
// Snapshot files: `snapshot-<index>-<term>.snap`, 16 hex digits each, the two newest kept. The
// bytes are drawn in docs/formats/snapshot-file.md; what is inside the chunks is the store's.
//
// A file is written under a temporary name, synced, renamed, and its directory synced: a name that
// ends in `.snap` is a complete file. Every chunk carries a checksum seeded with its number, so
// that a chunk in another's place does not verify, and a footer covers the whole. Only when Finish
// returned ok may the log be compacted.
//
// Thread: one at a time per object. A writer, reader or receiver stays valid while its store lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "disk/files.h"
#include "raft/types.h"

namespace kvorum::disk {

class SnapshotStore;

// Destruction without Finish removes the temporary file. After an error every call repeats it.
class SnapshotWriter {
 public:
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  Status Add(std::string_view bytes);
  // Durable, named and listed by the store when it returns ok.
  Status Finish();
  [[nodiscard]] uint64_t content_bytes() const { return content_bytes_; }

 private:
  friend class SnapshotStore;
  SnapshotWriter(SnapshotStore& store, raft::SnapshotMeta meta, std::string temporary,
                 std::unique_ptr<File> file);
  Status FlushChunk();
  Status WriteFooter();
  Status Latch(Status status);

  SnapshotStore& store_;
  raft::SnapshotMeta meta_;
  std::string temporary_;
  std::unique_ptr<File> file_;
  std::string chunk_;
  std::string packed_;
  uint64_t offset_ = 0;
  uint64_t unsynced_bytes_ = 0;
  uint64_t chunks_ = 0;
  uint64_t content_bytes_ = 0;
  uint32_t content_crc_ = 0;
  bool finished_ = false;
  Status failure_;
};

class SnapshotReader {
 public:
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  // Replaces `chunk` by the next bytes, true; or false at the end, when the footer has verified.
  // kCorrupt names file and offset. Bytes of a chunk are good when returned; the whole is good
  // only once false was returned.
  Result<bool> Next(std::string& chunk);
  [[nodiscard]] const raft::SnapshotMeta& meta() const { return meta_; }
  [[nodiscard]] uint64_t cluster_id() const { return cluster_id_; }
  [[nodiscard]] uint64_t file_bytes() const { return size_; }
  [[nodiscard]] uint64_t content_bytes() const { return content_bytes_; }  // read so far
  [[nodiscard]] uint64_t chunks() const { return chunks_; }                // read so far

  // Reads and checks the header.
  static Result<std::unique_ptr<SnapshotReader>> OpenFile(Files& files, const std::string& path);

 private:
  SnapshotReader(std::unique_ptr<File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Status ReadHeader();
  Status ReadFooter();
  [[nodiscard]] Status Corrupt(std::string_view what) const;

  std::unique_ptr<File> file_;
  std::string path_;
  std::string packed_;
  raft::SnapshotMeta meta_;
  uint64_t cluster_id_ = 0;
  uint64_t size_ = 0;
  uint64_t offset_ = 0;
  uint64_t chunks_ = 0;
  uint64_t content_bytes_ = 0;
  uint32_t content_crc_ = 0;
  bool done_ = false;
};

// A snapshot file that arrives from a peer, byte for byte. Destruction without Finish removes it.
class SnapshotReceiver {
 public:
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // Bytes that were received already are ignored; a gap is kInvalid and changes nothing.
  Status WriteRaw(uint64_t offset, std::string_view bytes);
  [[nodiscard]] uint64_t received() const { return received_; }
  // Verifies every checksum and that the file is the announced one, then makes it durable and
  // names it. kCorrupt removes it: ask for it again.
  Status Finish();

 private:
  friend class SnapshotStore;
  SnapshotReceiver(SnapshotStore& store, raft::SnapshotMeta meta, std::string temporary,
                   std::unique_ptr<File> file);
  Status FinishInner();
  Status Latch(Status status);

  SnapshotStore& store_;
  raft::SnapshotMeta meta_;
  std::string temporary_;
  std::unique_ptr<File> file_;
  uint64_t received_ = 0;
  uint64_t unsynced_bytes_ = 0;
  bool finished_ = false;
  Status failure_;
};

// Takes the content of a snapshot. An error of its own ends the reading; either may be empty.
struct SnapshotSink {
  std::function<void()> begin;  // from the first byte: what came before was of a damaged file
  std::function<Status(std::string_view chunk)> chunk;
};

class SnapshotStore {
 public:
  // Creates `dir`, removes temporary leftovers, reads the headers of what is there. A file with a
  // damaged header is kept, not listed, and named in note().
  static Result<std::unique_ptr<SnapshotStore>> Open(Files& files, std::string dir,
                                                     uint64_t cluster_id);
  SnapshotStore(const SnapshotStore&) = delete;
  SnapshotStore& operator=(const SnapshotStore&) = delete;

  // The newest by index, then term. Its header verified; Verify checks the rest.
  [[nodiscard]] std::optional<raft::SnapshotMeta> Latest() const;
  // Newest first.
  [[nodiscard]] const std::vector<raft::SnapshotMeta>& List() const { return snapshots_; }

  // The snapshot a restart begins from, given where the log starts: the newest that verifies as a
  // whole, provided the log still reaches back to it. nullopt: none is needed (the log starts at
  // 1). kCorrupt: what the log needs is damaged or missing; the node must halt. Damaged files that
  // were passed over are named in `note`. `sink` is given the content while it is verified, so that
  // a large file is read once; what it was given last counts only if a snapshot is returned.
  Result<std::optional<raft::SnapshotMeta>> ChooseForRecovery(const raft::SnapshotMeta& log_base,
                                                              std::string* note,
                                                              const SnapshotSink& sink = {});

  Status Verify(const raft::SnapshotMeta& meta);
  Result<std::unique_ptr<SnapshotWriter>> Create(const raft::SnapshotMeta& meta);
  Result<std::unique_ptr<SnapshotReader>> Read(const raft::SnapshotMeta& meta);

  // To carry a file to a peer as it is.
  Result<uint64_t> FileBytes(const raft::SnapshotMeta& meta);
  // Appends exactly `n` bytes from `offset`, fewer only at the end of the file.
  Status ReadRaw(const raft::SnapshotMeta& meta, uint64_t offset, uint64_t n, std::string& out);
  Result<std::unique_ptr<SnapshotReceiver>> Receive(const raft::SnapshotMeta& meta);

  // Removes all but the two newest, and damaged files older than those. PruneSome does a part that
  // is short for any size of file, and says whether there is more: a gigabyte that is given back at
  // once keeps the disk from the log for a tenth of a second (its blocks are discarded).
  Result<bool> PruneSome();
  Status Prune();
  [[nodiscard]] uint64_t bytes() const;  // of all listed files
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  friend class SnapshotWriter;
  friend class SnapshotReceiver;
  SnapshotStore(Files& files, std::string dir, uint64_t cluster_id)
      : files_(files), dir_(std::move(dir)), cluster_id_(cluster_id) {}

  Status Scan();
  Status Publish(const std::string& temporary, const raft::SnapshotMeta& meta, uint64_t bytes);
  [[nodiscard]] std::string PathOf(const raft::SnapshotMeta& meta) const;
  Result<bool> ShortenOutgoing();
  Status RemoveDamaged();

  Files& files_;
  std::string dir_;
  uint64_t cluster_id_;
  std::vector<raft::SnapshotMeta> snapshots_;  // newest first
  std::vector<uint64_t> sizes_;                // of the files, same order
  std::string outgoing_;                       // the temporary name of one that is being removed
  std::string note_;
};

}  // namespace kvorum::disk
