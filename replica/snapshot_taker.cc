// SPDX-License-Identifier: Apache-2.0
#include "replica/snapshot_taker.h"

#include <limits>
#include <utility>

#include "base/check.h"
#include "replica/limits.h"

namespace kvorum::replica {

SnapshotTaker::SnapshotTaker(store::Machine& machine, disk::SnapshotStore& snapshots,
                             Background& background,
                             std::function<void(const raft::SnapshotMeta&)> written)
    : machine_(machine),
      snapshots_(snapshots),
      background_(background),
      written_(std::move(written)) {}

void SnapshotTaker::Begin(const raft::SnapshotMeta& meta, Micros now) {
  KV_CHECK(!running() && meta.index == machine_.applied());
  run_ = std::make_shared<Run>();
  run_->meta = meta;
  run_->round_at = now;
  run_->round_index = meta.index;
  machine_.BeginSnapshot();
  run_->jobs = 1;
  background_.Run(
      [run = run_, &snapshots = snapshots_] {
        Result<std::unique_ptr<disk::SnapshotWriter>> writer = snapshots.Create(run->meta);
        if (writer.ok()) {
          run->writer = std::move(writer).value();
        } else {
          run->status = writer.status();
        }
      },
      [run = run_] { --run->jobs; });
}

bool SnapshotTaker::WantsTurn() const {
  if (run_ == nullptr || run_->rests_until) return false;
  switch (run_->phase) {
    case Phase::kSerializing:
      return run_->jobs < kSnapshotJobsInFlight && run_->round_bytes < kSnapshotRoundBytes;
    case Phase::kFinishing:
      return false;
    case Phase::kPruning:
      return run_->jobs == 0;
  }
  return false;
}

Micros SnapshotTaker::NextWakeup() const {
  return run_ != nullptr && run_->rests_until ? *run_->rests_until
                                              : std::numeric_limits<Micros>::max();
}

void SnapshotTaker::Step(Micros now) {
  if (run_ == nullptr) return;
  EndRound(now);
  if (!WantsTurn()) return;
  if (run_->phase == Phase::kSerializing) {
    Serialize(now);
  } else {
    Prune();
  }
}

void SnapshotTaker::EndRound(Micros now) {
  Run& run = *run_;
  if (run.rests_until) {
    if (now < *run.rests_until) return;
    run.rests_until.reset();
  } else {
    const bool over = run.round_bytes >= kSnapshotRoundBytes || run.phase == Phase::kPruning;
    if (!over || run.jobs > 0) return;
    if (machine_.applied() != run.round_index) run.rests_until = now + (now - run.round_at);
  }
  run.round_at = now;
  run.round_index = machine_.applied();
  run.round_bytes = 0;
}

void SnapshotTaker::Serialize(Micros now) {
  if (run_->buffers.empty()) {
    run_->buffers.push_back(std::make_shared<std::string>());
    run_->buffers.back()->reserve(kSnapshotBytesPerTurn + kSnapshotBytesPerTurn / 8);
  }
  const std::shared_ptr<std::string> chunk = std::move(run_->buffers.back());
  run_->buffers.pop_back();
  chunk->clear();
  const bool more = machine_.SnapshotStep(kSnapshotBytesPerTurn, *chunk);
  run_->bytes += chunk->size();
  run_->round_bytes += chunk->size();
  ++run_->jobs;
  background_.Run(
      [run = run_, chunk] {
        if (run->status.ok()) run->status = run->writer->Add(*chunk);
      },
      [run = run_, chunk] {
        --run->jobs;
        if (chunk->capacity() <= 2 * kSnapshotBytesPerTurn) run->buffers.push_back(chunk);
      });
  if (!more) Finish(run_, now);
}

void SnapshotTaker::Finish(const std::shared_ptr<Run>& run, Micros now) {
  run->phase = Phase::kFinishing;
  background_.Run(
      [run] {
        if (run->status.ok()) run->status = run->writer->Finish();
        run->writer.reset();  // removes an unfinished file
      },
      [this, run, now] {
        if (!run->status.ok()) return End(run);
        run->phase = Phase::kPruning;
        stats_.taken.Add();
        stats_.bytes.Set(static_cast<int64_t>(run->bytes));
        stats_.finished_at.Set(now);
        written_(run->meta);
      });
}

// One part of what the new snapshot has made superfluous.
void SnapshotTaker::Prune() {
  auto more = std::make_shared<bool>();
  ++run_->jobs;
  background_.Run(
      [run = run_, more, &snapshots = snapshots_] {
        const Result<bool> pruned = snapshots.PruneSome();
        run->status = pruned.status();
        *more = pruned.ok() && pruned.value();
      },
      [this, run = run_, more] {
        --run->jobs;
        if (!*more) End(run);
      });
}

void SnapshotTaker::End(const std::shared_ptr<Run>& run) {
  last_failed_ = !run->status.ok();
  if (last_failed_) stats_.failed.Add();
  if (run_ == run) run_.reset();
}

void SnapshotTaker::Abort() {
  if (run_ == nullptr) return;
  if (machine_.snapshot_running()) machine_.AbortSnapshot();
  const std::shared_ptr<Run> run = std::move(run_);
  background_.Run([run] { run->writer.reset(); }, [] {});
}

}  // namespace kvorum::replica
