// SPDX-License-Identifier: Apache-2.0
#include "replica/snapshot_inbox.h"

#include <utility>

#include "replica/limits.h"

namespace kvorum::replica {

SnapshotInbox::SnapshotInbox(disk::SnapshotStore& snapshots, Background& background, Events events)
    : snapshots_(snapshots), background_(background), events_(std::move(events)) {}

void SnapshotInbox::Add(NodeId from, raft::InstallSnapshot piece) {
  if (run_ != nullptr && run_->term == piece.term && piece.meta.index < run_->meta.index) return;
  if (run_ == nullptr || run_->meta != piece.meta || run_->total != piece.total) {
    // Its file goes where files are touched, and before the next one, whose name may be the same.
    if (run_ != nullptr) background_.Run([old = run_] { old->receiver.reset(); }, [] {});
    run_ = std::make_shared<Run>();
    run_->meta = piece.meta;
    run_->total = piece.total;
  }
  run_->term = piece.term;
  if (run_->queued >= kSnapshotPiecesQueued) return;  // the leader will send it again
  WritePiece(from, run_, std::move(piece));
}

void SnapshotInbox::WritePiece(NodeId from, const std::shared_ptr<Run>& run,
                               raft::InstallSnapshot piece) {
  ++run->queued;
  auto shared = std::make_shared<raft::InstallSnapshot>(std::move(piece));
  background_.Run(
      [run, shared, &snapshots = snapshots_] {
        if (run->complete || !run->status.ok()) return;
        if (run->receiver == nullptr) {
          auto receiver = snapshots.Receive(run->meta);
          if (!receiver.ok()) {
            run->status = receiver.status();
            return;
          }
          run->receiver = std::move(receiver).value();
        }
        // A gap is no fault of the file: the answer tells the leader where to go on.
        if (shared->offset <= run->receiver->received()) {
          run->status = run->receiver->WriteRaw(shared->offset, shared->bytes);
        }
        run->received = run->receiver->received();
        if (run->status.ok() && run->received == run->total) {
          run->status = run->receiver->Finish();
          run->receiver.reset();
          if (run->status.ok()) {
            auto reader = snapshots.Read(run->meta);
            run->status = reader.status();
            if (reader.ok()) run->reader = std::move(reader).value();
          }
          run->complete = run->status.ok();
          if (run->complete) run->status = snapshots.Prune();
        }
        if (!run->status.ok()) run->receiver.reset();
      },
      [this, from, run, bytes = shared->bytes.size()] {
        --run->queued;
        if (run_ != run) return;
        bytes_received_.Add(bytes);
        if (run->complete) {
          run_.reset();
          events_.complete(from, run->meta, std::move(run->reader));
        } else if (!run->status.ok()) {
          run_.reset();  // damaged on the way, or no space: from the beginning
          events_.progress(from, run->meta.index, 0);
        } else {
          events_.progress(from, run->meta.index, run->received);
        }
      });
}

}  // namespace kvorum::replica
