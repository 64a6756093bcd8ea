// SPDX-License-Identifier: Apache-2.0
#include "server/event_log.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "server/limits.h"

namespace kvorum::server {
namespace {

// Names are literals of ours; texts may hold anything that an error message holds.
void AppendJsonText(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 0xF];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string TimeText(UnixMs at) {
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(at)};
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

const EventLog::Recorded& EventLog::Add(UnixMs at, replica::Event event) {
  if (recent_.size() == kEventsKept) recent_.pop_front();
  return recent_.emplace_back(Recorded{at, std::move(event)});
}

std::string EventLog::Line(NodeId node, const Recorded& recorded) {
  std::string line = R"({"time":")" + TimeText(recorded.at) + R"(","node":)" +
                     std::to_string(node.value()) + R"(,"term":)" +
                     std::to_string(recorded.event.term.value()) + R"(,"event":)";
  AppendJsonText(recorded.event.name, line);
  for (const auto& [name, value] : recorded.event.details) {
    line += ',';
    AppendJsonText(name, line);
    line += ':';
    if (const auto* number = std::get_if<uint64_t>(&value)) {
      line += std::to_string(*number);
    } else {
      AppendJsonText(std::get<std::string>(value), line);
    }
  }
  return line + '}';
}

}  // namespace kvorum::server
