// SPDX-License-Identifier: Apache-2.0
#include "replica/snapshot_taker.h"

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

void SnapshotTaker::Begin(const raft::SnapshotMeta& meta) {
  KV_CHECK(!running() && meta.index == machine_.applied());
  run_ = std::make_shared<Run>();
  run_->meta = meta;
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
  return run_ != nullptr && !run_->serialized && run_->jobs < kSnapshotJobsInFlight;
}

void SnapshotTaker::Step(Micros now) {
  if (!WantsTurn()) return;
  auto chunk = std::make_shared<std::string>();
  run_->serialized = !machine_.SnapshotStep(kSnapshotBytesPerTurn, *chunk);
  run_->bytes += chunk->size();
  ++run_->jobs;
  background_.Run(
      [run = run_, chunk] {
        if (run->status.ok()) run->status = run->writer->Add(*chunk);
      },
      [run = run_] { --run->jobs; });
  if (run_->serialized) Finish(run_, now);
}

void SnapshotTaker::Finish(const std::shared_ptr<Run>& run, Micros now) {
  background_.Run(
      [run, &snapshots = snapshots_] {
        if (run->status.ok()) run->status = run->writer->Finish();
        run->writer.reset();  // removes an unfinished file
        if (run->status.ok()) run->status = snapshots.Prune();
      },
      [this, run, now] {
        if (run_ == run) run_.reset();
        last_failed_ = !run->status.ok();
        if (last_failed_) {
          stats_.failed.Add();
          return;
        }
        stats_.taken.Add();
        stats_.bytes.Set(static_cast<int64_t>(run->bytes));
        stats_.finished_at.Set(now);
        written_(run->meta);
      });
}

void SnapshotTaker::Abort() {
  if (run_ == nullptr) return;
  if (machine_.snapshot_running()) machine_.AbortSnapshot();
  const std::shared_ptr<Run> run = std::move(run_);
  background_.Run([run] { run->writer.reset(); }, [] {});
}

}  // namespace kvorum::replica
