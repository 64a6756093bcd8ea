// SPDX-License-Identifier: Apache-2.0
#include "disk/vote_file.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "disk/limits.h"

namespace kvorum::disk {
namespace {

constexpr uint64_t kHardStateMagic = 0x45544F564D52564BULL;  // "KVRMVOTE"
constexpr uint64_t kWitnessMagic = 0x535449574D52564BULL;    // "KVRMWITS"
constexpr uint32_t kVersion = 1;
constexpr size_t kCrcAt = kVoteSlotBytes - 4;

constexpr uint64_t HardStateOffset(unsigned slot) { return slot * kBlockBytes; }
constexpr uint64_t WitnessOffset(unsigned slot) { return (2 + slot) * kBlockBytes; }

struct Owner {
  uint64_t cluster_id = 0;
  NodeId node;
  friend bool operator==(const Owner&, const Owner&) = default;
};

struct HardStateSlot {
  bool good = false;
  Owner owner;
  uint64_t sequence = 0;
  raft::HardState state;
};
struct WitnessSlot {
  bool good = false;
  Owner owner;
  uint64_t sequence = 0;
  Witness witness;
};

std::string StartSlot(uint64_t magic, uint64_t sequence, const Owner& owner) {
  std::string slot;
  PutU64(slot, magic);
  PutU32(slot, kVersion);
  PutU64(slot, sequence);
  PutU64(slot, owner.cluster_id);
  PutU64(slot, owner.node.value());
  return slot;
}

std::string SealSlot(std::string slot) {
  KV_CHECK(slot.size() <= kCrcAt);
  slot.resize(kCrcAt, '\0');
  PutU32(slot, Crc32c(0, slot));
  return slot;
}

std::string EncodeHardState(uint64_t sequence, const Owner& owner, const raft::HardState& state) {
  const auto& [term, vote] = state;
  std::string slot = StartSlot(kHardStateMagic, sequence, owner);
  PutU64(slot, term.value());
  PutU64(slot, vote.value());
  return SealSlot(std::move(slot));
}

std::string EncodeWitness(uint64_t sequence, const Owner& owner, const Witness& witness) {
  std::string slot = StartSlot(kWitnessMagic, sequence, owner);
  PutU64(slot, witness.segment);
  PutU64(slot, witness.batch);
  PutU64(slot, witness.index.value());
  PutU64(slot, witness.term.value());
  PutU8(slot, witness.owed ? 1 : 0);
  PutU64(slot, witness.owed_index.value());
  PutU64(slot, witness.owed_term.value());
  return SealSlot(std::move(slot));
}

// The body behind the common fields, or a reader that has failed.
Reader OpenSlot(std::string_view slot, uint64_t magic, uint64_t* sequence, Owner* owner) {
  Reader in(slot.substr(0, kCrcAt));
  uint32_t crc = 0;
  std::memcpy(&crc, slot.data() + kCrcAt, 4);
  if (crc != Crc32c(0, slot.substr(0, kCrcAt)) || in.U64() != magic || in.U32() != kVersion) {
    in.Fail();
  }
  *sequence = in.U64();
  owner->cluster_id = in.U64();
  owner->node = NodeId(in.U64());
  return in;
}

HardStateSlot DecodeHardState(std::string_view bytes) {
  HardStateSlot slot;
  Reader in = OpenSlot(bytes, kHardStateMagic, &slot.sequence, &slot.owner);
  slot.state.term = Term(in.U64());
  slot.state.vote = NodeId(in.U64());
  slot.good = in.ok();
  return slot;
}

WitnessSlot DecodeWitness(std::string_view bytes) {
  WitnessSlot slot;
  Reader in = OpenSlot(bytes, kWitnessMagic, &slot.sequence, &slot.owner);
  slot.witness.segment = in.U64();
  slot.witness.batch = in.U64();
  slot.witness.index = Index(in.U64());
  slot.witness.term = Term(in.U64());
  slot.witness.owed = in.U8() != 0;
  slot.witness.owed_index = Index(in.U64());
  slot.witness.owed_term = Term(in.U64());
  slot.good = in.ok();
  return slot;
}

struct Slots {
  HardStateSlot hard_states[2];
  WitnessSlot witnesses[2];
  unsigned hard_state = 0;  // which one counts
  unsigned witness = 0;
  std::string note;
};

Status Damaged(const std::string& path, uint64_t offset, std::string_view what) {
  return {StatusCode::kCorrupt,
          path + " at offset " + std::to_string(offset) + ": " + std::string(what)};
}

void Note(Slots& slots, const std::string& path, uint64_t offset, std::string_view what) {
  if (!slots.note.empty()) slots.note += "; ";
  slots.note += path + " at offset " + std::to_string(offset) + ": " + std::string(what);
}

// Which hard state counts: see the argument in the header.
Status ChooseHardState(const std::string& path, Slots& slots) {
  const HardStateSlot& a = slots.hard_states[0];
  const HardStateSlot& b = slots.hard_states[1];
  if (!a.good && !b.good) return Damaged(path, 0, "both copies of term and vote are damaged");
  if (!a.good || !b.good) {
    slots.hard_state = a.good ? 0 : 1;
    Note(slots, path, HardStateOffset(1 - slots.hard_state), "damaged copy, the other one is used");
    return Status::Ok();
  }
  if (!(a.owner == b.owner)) return Damaged(path, HardStateOffset(1), "copies of two nodes");
  if (a.sequence == b.sequence) {
    if (!(a.state == b.state)) {
      return Damaged(path, 0, "two states with one sequence number");
    }
    return Status::Ok();
  }
  slots.hard_state = a.sequence > b.sequence ? 0 : 1;
  const uint64_t apart =
      a.sequence > b.sequence ? a.sequence - b.sequence : b.sequence - a.sequence;
  if (apart > 1) return Damaged(path, HardStateOffset(1 - slots.hard_state), "a stale copy");
  return Status::Ok();
}

Status ChooseWitness(const std::string& path, Slots& slots) {
  const WitnessSlot& a = slots.witnesses[0];
  const WitnessSlot& b = slots.witnesses[1];
  if (!a.good && !b.good) {
    return Damaged(path, WitnessOffset(0), "both copies of the witness are damaged");
  }
  if (!a.good || !b.good) {
    slots.witness = a.good ? 0 : 1;
    Note(slots, path, WitnessOffset(1 - slots.witness), "damaged witness, the other one is used");
  } else {
    slots.witness = a.sequence >= b.sequence ? 0 : 1;
  }
  if (!(slots.witnesses[slots.witness].owner == slots.hard_states[slots.hard_state].owner)) {
    return Damaged(path, WitnessOffset(slots.witness), "the witness of another node");
  }
  return Status::Ok();
}

Result<Slots> ReadSlots(Files& files, const std::string& path) {
  Result<std::string> bytes = ReadWhole(files, path);
  if (!bytes.ok()) return bytes.status();
  if (bytes.value().size() != kVoteFileBytes) {
    return Damaged(path, bytes.value().size(), "the file has the wrong size");
  }
  const std::string_view all = bytes.value();
  Slots slots;
  for (unsigned i = 0; i < 2; ++i) {
    slots.hard_states[i] = DecodeHardState(all.substr(HardStateOffset(i), kVoteSlotBytes));
    slots.witnesses[i] = DecodeWitness(all.substr(WitnessOffset(i), kVoteSlotBytes));
  }
  if (Status s = ChooseHardState(path, slots); !s.ok()) return s;
  if (Status s = ChooseWitness(path, slots); !s.ok()) return s;
  return slots;
}

Result<Slots> ReadOwned(Files& files, const std::string& path, const Owner& owner) {
  Result<Slots> slots = ReadSlots(files, path);
  if (!slots.ok()) return slots;
  const Owner& found = slots.value().hard_states[slots.value().hard_state].owner;
  if (!(found == owner)) {
    return Status(StatusCode::kInvalid, path + " belongs to node " +
                                            std::to_string(found.node.value()) + " of cluster " +
                                            Hex16(found.cluster_id));
  }
  return slots;
}

VoteContents ContentsOf(const Slots& slots) {
  const HardStateSlot& hard_state = slots.hard_states[slots.hard_state];
  return {hard_state.sequence, hard_state.state, slots.witnesses[slots.witness].witness,
          slots.note};
}

}  // namespace

Result<VoteContents> VoteFile::Read(Files& files, const std::string& dir, uint64_t cluster_id,
                                    NodeId node) {
  Result<Slots> slots = ReadOwned(files, JoinPath(dir, kName), {cluster_id, node});
  if (!slots.ok()) return slots.status();
  return ContentsOf(slots.value());
}

Result<VoteContents> VoteFile::ReadAny(Files& files, const std::string& dir) {
  Result<Slots> slots = ReadSlots(files, JoinPath(dir, kName));
  if (!slots.ok()) return slots.status();
  return ContentsOf(slots.value());
}

Status VoteFile::Create(Files& files, const std::string& dir, uint64_t cluster_id, NodeId node,
                        const Witness& witness) {
  std::string bytes(kVoteFileBytes, '\0');
  const Owner owner{cluster_id, node};
  const std::string hard_state = EncodeHardState(1, owner, {});
  for (unsigned i = 0; i < 2; ++i) {
    bytes.replace(HardStateOffset(i), kVoteSlotBytes, hard_state);
    bytes.replace(WitnessOffset(i), kVoteSlotBytes, EncodeWitness(1 + i, owner, witness));
  }
  return ReplaceFile(files, dir, kName, bytes);
}

Result<std::unique_ptr<VoteFile>> VoteFile::Open(Files& files, const std::string& dir,
                                                 uint64_t cluster_id, NodeId node,
                                                 VoteContents* contents) {
  const std::string path = JoinPath(dir, kName);
  Result<Slots> slots = ReadOwned(files, path, {cluster_id, node});
  if (!slots.ok()) return slots.status();
  Result<std::unique_ptr<File>> file = files.Open(path, OpenMode::kReadWrite);
  if (!file.ok()) return file.status();

  *contents = ContentsOf(slots.value());
  std::unique_ptr<VoteFile> vote(new VoteFile(std::move(file).value(), cluster_id, node));
  vote->sequence_ = contents->sequence;
  // A damaged slot is repaired first. Of two good ones the newer is written again first: it may be
  // in the page cache only, and then the older one is the only copy on the disk.
  const Slots& found = slots.value();
  const bool both_states = found.hard_states[0].good && found.hard_states[1].good;
  vote->next_slot_ = both_states ? found.hard_state : 1 - found.hard_state;
  const WitnessSlot& witness = found.witnesses[found.witness];
  vote->witness_sequence_ = witness.sequence;
  vote->witness_slot_ = 1 - found.witness;
  // The newer witness may be in the page cache only: on the disk before the older one goes.
  if (Status s = vote->file_->SyncData(); !s.ok()) return s;
  if (Status s = vote->WriteWitness(witness.witness); !s.ok()) return s;
  // Under its own number: the slots must never be two writes apart.
  if (Status s = vote->WriteBoth(contents->sequence, contents->hard_state); !s.ok()) return s;
  if (Status s = vote->WriteWitness(witness.witness); !s.ok()) return s;
  if (Status s = vote->Sync(); !s.ok()) return s;
  return vote;
}

Status VoteFile::Save(const raft::HardState& hard_state) {
  if (Status s = WriteBoth(sequence_ + 1, hard_state); !s.ok()) return s;
  ++sequence_;
  return Status::Ok();
}

Status VoteFile::WriteBoth(uint64_t sequence, const raft::HardState& hard_state) {
  const std::string slot = EncodeHardState(sequence, {cluster_id_, node_}, hard_state);
  for (int copy = 0; copy < 2; ++copy) {
    if (Status s = file_->Write(HardStateOffset(next_slot_), slot); !s.ok()) return s;
    next_slot_ = 1 - next_slot_;
    if (Status s = Sync(); !s.ok()) return s;
  }
  return Status::Ok();
}

Status VoteFile::WriteWitness(const Witness& witness) {
  const std::string slot = EncodeWitness(witness_sequence_ + 1, {cluster_id_, node_}, witness);
  if (Status s = file_->Write(WitnessOffset(witness_slot_), slot); !s.ok()) return s;
  ++witness_sequence_;
  witness_dirty_ = true;
  return Status::Ok();
}

Status VoteFile::Sync() {
  if (Status s = file_->SyncData(); !s.ok()) return s;
  // What was just written is now the copy to leave alone.
  if (witness_dirty_) witness_slot_ = 1 - witness_slot_;
  witness_dirty_ = false;
  return Status::Ok();
}

}  // namespace kvorum::disk
