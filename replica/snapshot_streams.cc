// SPDX-License-Identifier: Apache-2.0
#include "replica/snapshot_streams.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "replica/limits.h"

namespace kvorum::replica {

SnapshotStreams::SnapshotStreams(disk::SnapshotStore& snapshots, Background& background,
                                 Transport& transport,
                                 std::function<void(NodeId, Index, bool)> ended,
                                 std::function<void(Index)> suspect)
    : snapshots_(snapshots),
      background_(background),
      transport_(transport),
      ended_(std::move(ended)),
      suspect_(std::move(suspect)) {}

void SnapshotStreams::Start(NodeId peer, Term term, const raft::SnapshotMeta& meta, Micros now) {
  auto stream = std::make_shared<Stream>();
  stream->term = term;
  stream->meta = meta;
  stream->moved_at = now;
  now_ = now;
  streams_[peer] = stream;
  Pump(peer, stream);
}

bool SnapshotStreams::MaySend(const Stream& stream) {
  const bool all_sent = stream.total != 0 && stream.next >= stream.total;
  const bool window_full =
      stream.next - stream.acked >= kSnapshotPiecesInFlight * kSnapshotPieceBytes;
  return !stream.reading && !all_sent && !window_full;
}

Micros SnapshotStreams::NextWakeup() const {
  for (const auto& [peer, stream] : streams_) {
    if (MaySend(*stream)) return next_at_;
  }
  return std::numeric_limits<Micros>::max();
}

Micros SnapshotStreams::PieceUs() const {
  return static_cast<Micros>(kSnapshotPieceBytes * 1'000'000 / rate_);
}

void SnapshotStreams::Pump(NodeId peer, const std::shared_ptr<Stream>& stream) {
  if (!MaySend(*stream)) return;
  if (rate_ != 0) {
    if (now_ < next_at_) return;  // Tick comes back to it
    next_at_ = now_ + PieceUs();
  }
  stream->reading = true;
  auto piece = std::make_shared<Piece>();
  piece->offset = stream->next;
  background_.Run(
      [piece, meta = stream->meta, &snapshots = snapshots_] {
        const Result<uint64_t> total = snapshots.FileBytes(meta);
        if (!total.ok()) {
          piece->status = total.status();
          return;
        }
        piece->total = total.value();
        piece->status = snapshots.ReadRaw(meta, piece->offset, kSnapshotPieceBytes, piece->bytes);
      },
      [this, peer, stream, piece] {
        stream->reading = false;
        const auto it = streams_.find(peer);
        if (it == streams_.end() || it->second != stream) return;
        if (!piece->status.ok()) {  // for example: two newer snapshots have replaced it
          if (piece->status.code() != StatusCode::kNotFound) suspect_(stream->meta.index);
          End(peer, false);
          return;
        }
        stream->total = piece->total;
        if (piece->offset == stream->next) {
          stream->next += piece->bytes.size();
          bytes_sent_.Add(piece->bytes.size());
          transport_.Send(peer, raft::InstallSnapshot{stream->term, stream->meta, piece->offset,
                                                      piece->total, std::move(piece->bytes)});
        }
        Pump(peer, stream);
      });
}

void SnapshotStreams::OnReply(NodeId from, const raft::InstallSnapshotReply& reply, Micros now) {
  const auto it = streams_.find(from);
  if (it == streams_.end() || it->second->meta.index != reply.index ||
      it->second->term != reply.term) {
    return;
  }
  const std::shared_ptr<Stream> stream = it->second;
  if (reply.installed) {
    End(from, true);
    return;
  }
  if (reply.received > stream->acked) {
    stream->acked = reply.received;
    stream->next = std::max(stream->next, stream->acked);
    stream->moved_at = now;
    stream->stalls = 0;
  } else if (reply.received == 0 && stream->acked > 0) {
    stream->acked = stream->next = 0;  // what it had did not verify: from the beginning
    if (++stream->refusals >= kSnapshotRefusals) suspect_(stream->meta.index);
  }
  Pump(from, stream);
}

void SnapshotStreams::Tick(Micros now, Micros patience) {
  std::vector<NodeId> failed;
  now_ = now;
  // A piece that has to wait its turn has not stalled.
  const Micros wait = rate_ == 0 ? 0 : PieceUs() * static_cast<Micros>(streams_.size());
  for (const auto& [peer, stream] : streams_) {
    if (now - stream->moved_at < patience + wait) {
      Pump(peer, stream);
      continue;
    }
    stream->moved_at = now;
    if (++stream->stalls > kSnapshotStallLimit) {
      failed.push_back(peer);
      continue;
    }
    stream->next = stream->acked;
    // Everything is there and not yet installed: the last piece asks again.
    if (stream->total != 0 && stream->next >= stream->total) {
      stream->next = stream->total - std::min<uint64_t>(stream->total, kSnapshotPieceBytes);
      stream->acked = stream->next;
    }
    Pump(peer, stream);
  }
  for (const NodeId peer : failed) End(peer, false);
}

void SnapshotStreams::End(NodeId peer, bool installed) {
  const auto it = streams_.find(peer);
  const Index index = it->second->meta.index;
  streams_.erase(it);
  ended_(peer, index, installed);
}

}  // namespace kvorum::replica
