// SPDX-License-Identifier: Apache-2.0
#include "store/glob.h"

#include <string.h>  // memmem is not in <cstring>

#include <algorithm>

namespace kvorum::store {

Glob::Glob(std::string_view pattern) {
  pieces_.emplace_back();
  for (size_t i = 0; i < pattern.size(); ++i) {
    switch (pattern[i]) {
      case '*':
        // A run of stars is one.
        if (i == 0 || pieces_.size() == 1 || !pieces_.back().symbols.empty()) {
          pieces_.emplace_back();
        }
        break;
      case '?':
        Add({Symbol::Kind::kAny, 0, 0});
        break;
      case '[':
        i = ParseClass(pattern, i + 1);
        break;
      case '\\':
        if (i + 1 < pattern.size()) ++i;
        [[fallthrough]];
      default:
        Add({Symbol::Kind::kByte, pattern[i], 0});
    }
  }
  for (const Piece& piece : pieces_) least_bytes_ += piece.symbols.size();
}

void Glob::Add(Symbol symbol) {
  Piece& piece = pieces_.back();
  piece.symbols.push_back(symbol);
  if (symbol.kind == Symbol::Kind::kByte && piece.is_plain) {
    piece.plain.push_back(symbol.byte);
  } else {
    piece.is_plain = false;
  }
}

// `at` is behind '['; returns the place of the closing ']' or of the pattern's last byte.
size_t Glob::ParseClass(std::string_view pattern, size_t at) {
  Class set;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(pattern[i]); };
  for (; at < pattern.size() && pattern[at] != ']'; ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      set.set(byte(++at));
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const unsigned a = byte(at);
      const unsigned b = byte(at + 2);
      for (unsigned c = std::min(a, b); c <= std::max(a, b); ++c) set.set(c);
      at += 2;
    } else {
      set.set(byte(at));
    }
  }
  classes_.push_back(negated ? ~set : set);
  Add({Symbol::Kind::kClass, 0, static_cast<uint32_t>(classes_.size() - 1)});
  return std::min(at, pattern.size() - 1);
}

bool Glob::SymbolMatches(const Symbol& symbol, char c) const {
  switch (symbol.kind) {
    case Symbol::Kind::kByte:
      return symbol.byte == c;
    case Symbol::Kind::kAny:
      return true;
    case Symbol::Kind::kClass:
      return classes_[symbol.class_index][static_cast<uint8_t>(c)];
  }
  return false;
}

bool Glob::PieceMatchesAt(const Piece& piece, std::string_view text, size_t at) const {
  for (size_t i = 0; i < piece.symbols.size(); ++i) {
    if (!SymbolMatches(piece.symbols[i], text[at + i])) return false;
  }
  return true;
}

size_t Glob::FindPiece(const Piece& piece, std::string_view text, size_t from, size_t end) const {
  const size_t size = piece.symbols.size();
  if (size == 0) return from;
  if (piece.is_plain) {
    const void* const found = memmem(text.data() + from, end - from, piece.plain.data(), size);
    if (found == nullptr) return std::string_view::npos;
    return static_cast<size_t>(static_cast<const char*>(found) - text.data());
  }
  for (size_t at = from; at + size <= end; ++at) {
    if (PieceMatchesAt(piece, text, at)) return at;
  }
  return std::string_view::npos;
}

bool Glob::Matches(std::string_view text) const {
  if (text.size() < least_bytes_) return false;
  const Piece& first = pieces_.front();
  if (pieces_.size() == 1) {
    return text.size() == first.symbols.size() && PieceMatchesAt(first, text, 0);
  }
  const Piece& last = pieces_.back();
  const size_t end = text.size() - last.symbols.size();
  if (!PieceMatchesAt(first, text, 0) || !PieceMatchesAt(last, text, end)) return false;
  size_t at = first.symbols.size();
  for (size_t i = 1; i + 1 < pieces_.size(); ++i) {
    const size_t found = FindPiece(pieces_[i], text, at, end);
    if (found == std::string_view::npos) return false;
    at = found + pieces_[i].symbols.size();
  }
  return true;
}

}  // namespace kvorum::store
