// SPDX-License-Identifier: Apache-2.0
//
// Writes one client's replies, in RESP2 or RESP3, to the end of a string its connection owns. A
// handler says what it means (a map, a set, a double) and the protocol decides the bytes, so no
// handler asks which protocol it speaks.
//
// A Reply may also have no output: on a replica nobody waits, and every call returns at once. That
// is a null pointer and not a virtual function, because on the leader every write pays for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvorum::resp {

enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

class Reply {
 public:
  // `out` is borrowed and must outlive the Reply; bytes are only ever appended.
  explicit Reply(std::string* out, Protocol protocol = Protocol::kResp2)
      : out_(out), protocol_(protocol) {}

  // A Reply that drops everything.
  static Reply Discard() { return Reply(nullptr); }
  // False: nobody reads; work that only serves the reply may be skipped.
  [[nodiscard]] bool wanted() const { return out_ != nullptr; }

  [[nodiscard]] Protocol protocol() const { return protocol_; }
  void SetProtocol(Protocol protocol) { protocol_ = protocol; }
  // HELLO may change the string as well: a Reply is two words, build a new one freely.

  void Simple(std::string_view text);  // must not contain CR or LF
  void Ok() { Raw("+OK\r\n"); }
  // The text with its code first ("ERR ...", "WRONGTYPE ..."), without '-'. CR and LF become
  // blanks, so that no client byte can end the line.
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void BulkInteger(int64_t value);  // the integer as a bulk string
  void Null();                      // $-1 or _
  void NullArray();                 // *-1 or _
  void Boolean(bool value);         // :1 :0 or #t #f
  void Double(double value);        // a bulk string in RESP2
  // `format` has three letters ("txt", "mkd"); a bulk string in RESP2.
  void Verbatim(std::string_view format, std::string_view text);

  // Headers of aggregates; the caller then writes that many elements (pairs, for a map).
  void Array(size_t elements);
  void Map(size_t pairs);
  void Set(size_t elements);
  void Push(size_t elements);

  // Bytes that are already RESP.
  void Raw(std::string_view bytes) {
    if (out_ != nullptr) out_->append(bytes);
  }

 private:
  void Header(char type, int64_t value);

  std::string* out_;
  Protocol protocol_;
};

static_assert(sizeof(Reply) <= 16);

}  // namespace kvorum::resp
