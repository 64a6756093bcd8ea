// SPDX-License-Identifier: Apache-2.0
#include "tests/store/printable.h"

#include <gtest/gtest.h>

#include "resp/format.h"

namespace kvorum::store {

namespace {

std::string_view TakeLine(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) {
    ADD_FAILURE() << "no end of line in " << Quoted(bytes);
    bytes = {};
    return {};
  }
  const std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return line;
}

void PrintOne(std::string_view& bytes, const std::string& indent, std::string& out);

void PrintElements(std::string_view& bytes, size_t count, std::string_view kind,
                   const std::string& indent, std::string& out) {
  if (count == 0) {
    out.append("(empty ").append(kind).append(")");
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out.append("\n").append(indent);
    const std::string label = std::to_string(i + 1) + (kind == "set"   ? "~ "
                                                       : kind == "map" ? "# "
                                                                       : ") ");
    out.append(label);
    const std::string deeper = indent + std::string(label.size(), ' ');
    PrintOne(bytes, deeper, out);
    if (kind == "map") {
      out.append(" => ");
      PrintOne(bytes, deeper, out);
    }
  }
}

void PrintBlob(std::string_view& bytes, std::string_view size_text, std::string& out) {
  const auto size = resp::ParseInteger(size_text);
  if (size == -1) {
    out.append("(nil)");
    return;
  }
  ASSERT_TRUE(size.has_value() && bytes.size() >= static_cast<size_t>(*size) + 2);
  out.append(Quoted(bytes.substr(0, static_cast<size_t>(*size))));
  bytes.remove_prefix(static_cast<size_t>(*size));
  EXPECT_EQ(bytes.substr(0, 2), "\r\n");
  bytes.remove_prefix(2);
}

void PrintOne(std::string_view& bytes, const std::string& indent, std::string& out) {
  const std::string_view line = TakeLine(bytes);
  ASSERT_FALSE(line.empty());
  const std::string_view rest = line.substr(1);
  const auto count = static_cast<size_t>(resp::ParseInteger(rest).value_or(0));
  switch (line[0]) {
    case '+':
      out.append(rest);
      return;
    case '-':
      out.append("(error) ").append(rest);
      return;
    case ':':
      out.append("(integer) ").append(rest);
      return;
    case ',':
      out.append("(double) ").append(rest);
      return;
    case '#':
      out.append(rest == "t" ? "(true)" : "(false)");
      return;
    case '_':
      out.append("(null)");
      return;
    case '$':
    case '=':
      PrintBlob(bytes, rest, out);
      return;
    case '*':
      if (rest == "-1") {
        out.append("(nil array)");
        return;
      }
      PrintElements(bytes, count, "array", indent, out);
      return;
    case '%':
      PrintElements(bytes, count, "map", indent, out);
      return;
    case '~':
      PrintElements(bytes, count, "set", indent, out);
      return;
    default:
      ADD_FAILURE() << "not RESP: " << Quoted(line);
  }
}

}  // namespace

std::string Quoted(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (byte < 0x20 || byte >= 0x7F) {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

std::string Printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    if (!out.empty()) out.push_back('\n');
    PrintOne(bytes, "", out);
    if (testing::Test::HasFatalFailure()) return out;
  }
  return out;
}

}  // namespace kvorum::store
