// SPDX-License-Identifier: Apache-2.0
#include "resp/reply.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

namespace kvorum::resp {
namespace {

std::string Write(Protocol protocol, const std::function<void(Reply&)>& body) {
  std::string out;
  Reply reply(&out, protocol);
  body(reply);
  return out;
}

void Expect(const std::function<void(Reply&)>& body, std::string_view resp2,
            std::string_view resp3) {
  EXPECT_EQ(Write(Protocol::kResp2, body), resp2);
  EXPECT_EQ(Write(Protocol::kResp3, body), resp3);
  Reply nobody = Reply::Discard();
  body(nobody);
  EXPECT_FALSE(nobody.wanted());
}

TEST(Reply, SameInBothProtocols) {
  Expect([](Reply& r) { r.Simple("PONG"); }, "+PONG\r\n", "+PONG\r\n");
  Expect([](Reply& r) { r.Ok(); }, "+OK\r\n", "+OK\r\n");
  Expect([](Reply& r) { r.Integer(-7); }, ":-7\r\n", ":-7\r\n");
  Expect([](Reply& r) { r.Integer(std::numeric_limits<int64_t>::min()); },
         ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
  Expect([](Reply& r) { r.Bulk("a"); }, "$1\r\na\r\n", "$1\r\na\r\n");
  Expect([](Reply& r) { r.Bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n");
  Expect([](Reply& r) { r.BulkInteger(10); }, "$2\r\n10\r\n", "$2\r\n10\r\n");
  Expect([](Reply& r) { r.Array(2); }, "*2\r\n", "*2\r\n");
}

TEST(Reply, DiffersByProtocol) {
  Expect([](Reply& r) { r.Null(); }, "$-1\r\n", "_\r\n");
  Expect([](Reply& r) { r.NullArray(); }, "*-1\r\n", "_\r\n");
  Expect([](Reply& r) { r.Map(2); }, "*4\r\n", "%2\r\n");
  Expect([](Reply& r) { r.Set(3); }, "*3\r\n", "~3\r\n");
  Expect([](Reply& r) { r.Push(3); }, "*3\r\n", ">3\r\n");
  Expect([](Reply& r) { r.Boolean(true); }, ":1\r\n", "#t\r\n");
  Expect([](Reply& r) { r.Boolean(false); }, ":0\r\n", "#f\r\n");
  Expect([](Reply& r) { r.Double(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n");
  Expect([](Reply& r) { r.Double(std::numeric_limits<double>::infinity()); }, "$3\r\ninf\r\n",
         ",inf\r\n");
  Expect([](Reply& r) { r.Verbatim("txt", "hi"); }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
}

TEST(Reply, BadInput20BytesOfValuesAreKept) {
  const std::string bytes("\r\n\0\xff", 4);
  Expect([&](Reply& r) { r.Bulk(bytes); }, "$4\r\n" + bytes + "\r\n", "$4\r\n" + bytes + "\r\n");
}

TEST(Reply, BadInput22ErrorsAreOneLine) {
  Expect([](Reply& r) { r.Error("ERR a\r\n+OK\r\nb"); }, "-ERR a  +OK  b\r\n",
         "-ERR a  +OK  b\r\n");
}

}  // namespace
}  // namespace kvorum::resp
