// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/history_file.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>

namespace kvorum::chaos {
namespace {

constexpr std::string_view kFirstLine = "kvorum-history 1";
constexpr std::string_view kEmpty = "%-";

std::string Quoted(std::string_view bytes) {
  if (bytes.empty()) return std::string(kEmpty);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F && c != '%') {
      text += c;
    } else {
      text += '%';
      text += kHex[byte >> 4];
      text += kHex[byte & 0xF];
    }
  }
  return text;
}

std::string Unquoted(std::string_view text) {
  if (text == kEmpty) return {};
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i] + 1, &text[i] + 3, byte, 16).ec == std::errc()) {
      bytes += static_cast<char>(byte);
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

bool ParseLine(const std::string& line, check::Op* op) {
  std::istringstream in(line);
  std::string returned;
  std::string word;
  if (!(in >> op->client >> op->invoked >> returned >> word)) return false;
  op->reply = Unquoted(word);
  if (returned != "-") {
    op->returned = 0;
    std::from_chars(returned.data(), returned.data() + returned.size(), op->returned);
  }
  while (in >> word) op->argv.push_back(Unquoted(word));
  return !op->argv.empty();
}

}  // namespace

bool WriteHistory(const std::string& path, const check::History& history) {
  std::ofstream out(path);
  out << kFirstLine << '\n';
  for (const check::Op& op : history) {
    out << op.client << ' ' << op.invoked << ' '
        << (op.Known() ? std::to_string(op.returned) : std::string("-")) << ' ' << Quoted(op.reply);
    for (const std::string& argument : op.argv) out << ' ' << Quoted(argument);
    out << '\n';
  }
  return out.good();
}

bool ReadHistory(const std::string& path, check::History* history) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line) || line != kFirstLine) return false;
  while (std::getline(in, line)) {
    check::Op op;
    if (!ParseLine(line, &op)) return false;
    history->push_back(std::move(op));
  }
  return true;
}

}  // namespace kvorum::chaos
