// SPDX-License-Identifier: Apache-2.0
#include "tests/check/history.h"

#include "store/families.h"

namespace kvorum::check {
namespace {

std::string Printable(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') continue;
    text += c == '\n' ? '|' : c;
  }
  return text;
}

}  // namespace

bool IsRead(const Op& op) {
  const store::CommandRow* row = store::StoreIndex().Find(op.argv.front());
  return row != nullptr && row->route != store::Route::kWrite;
}

std::string Describe(const Op& op) {
  std::string text = "client " + std::to_string(op.client) + " [" + std::to_string(op.invoked) +
                     ", " + (op.Known() ? std::to_string(op.returned) : "?") + "]";
  if (op.position != Index()) text += " @" + std::to_string(op.position.value());
  for (const std::string& arg : op.argv) text += " " + Printable(arg);
  return text + " -> " + (op.Known() ? Printable(op.reply) : "?");
}

std::string Describe(const History& history) {
  std::string text;
  for (const Op& op : history) text += Describe(op) + "\n";
  return text;
}

}  // namespace kvorum::check
