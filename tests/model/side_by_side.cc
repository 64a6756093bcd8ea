// SPDX-License-Identifier: Apache-2.0
#include "tests/model/side_by_side.h"

#include <algorithm>

#include "base/check.h"
#include "store/families.h"
#include "tests/model/text.h"

namespace kvorum::model {

namespace {

class OneReply : public store::ReplySink {
 public:
  explicit OneReply(std::string* out) : reply_(out) {}
  resp::Reply* Begin(uint32_t, const store::Origin*) override { return &reply_; }
  void End(uint32_t) override {}

 private:
  resp::Reply reply_;
};

}  // namespace

SideBySide::SideBySide(uint64_t hash_seed)
    : options_{.hash_seed = hash_seed, .max_string_bytes = kMaxStringBytes},
      machine_(std::make_unique<store::Machine>(options_)) {
  if (hash_seed % 2 == 0) {
    machine_->Apply(Index(1), store::EncodeFeatureRaise(store::kFeatureLevel, wall_), nullptr);
  }
  model_.SetFeatureLevel(machine_->feature_level());
}

std::string SideBySide::Execute(const std::vector<std::string>& argv, int database) {
  const std::vector<std::string_view> words(argv.begin(), argv.end());
  const auto number = static_cast<uint8_t>(database);
  std::string out;
  resp::Reply reply(&out);
  const store::CommandRow* const row = store::StoreIndex().Resolve(words, reply);
  if (row == nullptr) return out;
  if (row->route == store::Route::kRead) {
    machine_->Read(*row, words, number, wall_, reply);
    return out;
  }
  if (row->check != nullptr && !row->check(words, machine_->feature_level(), reply)) return out;
  writer_.Add(row->opcode, number, nullptr, words);
  const std::string envelope = writer_.Finish(wall_, 42);
  KV_CHECK(store::EnvelopeReader::Validate(envelope).ok());
  OneReply sink(&out);
  machine_->Apply(machine_->applied() + 1, envelope, &sink);
  return out;
}

std::string SideBySide::Run(const std::vector<std::string>& argv, int database) {
  KV_CHECK(Model::Knows(argv));
  const std::string reply = Execute(argv, database);
  if (model_.Step(argv, database, machine_->log_time(), &reply, wall_)) return {};
  std::string complaint = "at " + std::to_string(machine_->log_time()) + " in database " +
                          std::to_string(database) + ":";
  for (const std::string& word : argv) complaint.append(" '").append(word).append("'");
  return complaint + "\nthe store said " + reply + "and the model disagrees; now it is " +
         model_.Canonical();
}

void SideBySide::Pulse() {
  machine_->Apply(machine_->applied() + 1, writer_.Finish(wall_, 0), nullptr);
}

std::string SideBySide::CompareAll() {
  size_t keys = 0;
  for (int number = 0; number < Model::kDatabases; ++number) {
    const std::string all = Execute({"KEYS", "*"}, number);
    if (!model_.Step({"KEYS", "*"}, number, machine_->log_time(), &all)) {
      return "the store has the keys " + all + "and the model " + model_.Canonical();
    }
    for (const Reply& key : ReadReply(all).elements) {
      ++keys;
      for (const std::string name : {"GET", "PEXPIRETIME"}) {
        std::string complaint = Run({name, key.text}, number);
        if (!complaint.empty()) return complaint;
      }
    }
  }
  size_t expected = 0;
  for (const auto& [number, all] : model_.databases()) expected += all.size();
  return keys == expected ? "" : "the store has other keys than " + model_.Canonical();
}

std::string SideBySide::Restart(size_t step_bytes, size_t piece_bytes) {
  machine_->AbortSnapshot();
  stream_.clear();
  machine_->BeginSnapshot();
  while (machine_->SnapshotStep(std::max<size_t>(step_bytes, 1), stream_)) {
  }
  auto loaded = std::make_unique<store::Machine>(options_);
  loaded->BeginLoad();
  piece_bytes = std::max<size_t>(piece_bytes, 1);
  for (size_t at = 0; at < stream_.size(); at += piece_bytes) {
    if (!loaded->LoadChunk(std::string_view(stream_).substr(at, piece_bytes)).ok()) {
      return "a snapshot's chunk is refused";
    }
  }
  if (!loaded->FinishLoad(machine_->applied()).ok()) return "a snapshot is refused";
  if (loaded->Digest() != machine_->Digest()) return "a snapshot does not load to the same state";
  machine_ = std::move(loaded);
  return {};
}

void SideBySide::SnapshotStep(size_t step_bytes) {
  if (!machine_->snapshot_running()) machine_->BeginSnapshot();
  stream_.clear();
  machine_->SnapshotStep(std::max<size_t>(step_bytes, 1), stream_);
}

}  // namespace kvorum::model
