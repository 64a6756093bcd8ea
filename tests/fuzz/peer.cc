// SPDX-License-Identifier: Apache-2.0
//
// What a peer may send. By the first byte:
//   0  any bytes as the beginning of a stream: hello, frame, or neither;
//   1  any bytes as the body of a frame whose length and checksum are right;
//   2  a life of one core among others that say anything (peer_core.h).
// What decodes is encoded again to bytes that mean the same; a prefix of a frame wants more.
#include <string>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "server/peer_frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer_core.h"
#include "tests/model/choices.h"

namespace kvorum::fuzz {
namespace {

using server::FrameState;

void CheckFrame(std::string_view stream) {
  server::PeerMessage message;
  size_t size = 0;
  std::string why;
  const FrameState state = DecodeFrame(stream, &message, &size, &why);
  KV_CHECK((state == FrameState::kBroken) == !why.empty());
  if (state != FrameState::kReady) return;
  KV_CHECK(size > 0 && size <= stream.size());
  std::string bytes;
  EncodeFrame(message, bytes);
  server::PeerMessage again;
  size_t again_size = 0;
  KV_CHECK(DecodeFrame(bytes, &again, &again_size, &why) == FrameState::kReady);
  KV_CHECK(again_size == bytes.size() && again.index() == message.index());
  KV_CHECK(LinkFor(again) == LinkFor(message));
  std::string twice;
  EncodeFrame(again, twice);
  KV_CHECK(twice == bytes);
  for (const size_t cut : {size_t{0}, size_t{7}, size_t{8}, size / 2, size - 1}) {
    if (cut >= size) continue;
    KV_CHECK(DecodeFrame(stream.substr(0, cut), &again, &again_size, &why) ==
             FrameState::kNeedMore);
  }
}

void CheckHello(std::string_view stream) {
  server::Hello hello;
  size_t size = 0;
  std::string why;
  const FrameState state = DecodeHello(stream, &hello, &size, &why);
  KV_CHECK((state == FrameState::kBroken) == !why.empty());
  if (state != FrameState::kReady) return;
  KV_CHECK(size > 0 && size <= stream.size());
  std::string bytes;
  EncodeHello(hello, bytes);
  server::Hello again;
  KV_CHECK(DecodeHello(bytes, &again, &size, &why) == FrameState::kReady);
  KV_CHECK(again.kind == hello.kind && again.cluster_id == hello.cluster_id &&
           again.from == hello.from && again.to == hello.to && again.host == hello.host &&
           again.port == hello.port && again.incarnation == hello.incarnation &&
           again.knows_addressee_as == hello.knows_addressee_as && size == bytes.size());
}

std::string Sealed(std::string_view body) {
  std::string stream;
  PutU32(stream, static_cast<uint32_t>(body.size()));
  PutU32(stream, Crc32c(0, body));
  stream.append(body);
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  model::ByteChoices in(View(data, size));
  switch (in.Below(4)) {
    case 0:
      CheckFrame(in.rest());
      CheckHello(in.rest());
      break;
    case 1:
      CheckFrame(Sealed(in.rest()));
      CheckHello("KVRM" + Sealed(in.rest()));
      break;
    default:
      LiveAmongLiars(in);
  }
  return 0;
}

}  // namespace kvorum::fuzz
