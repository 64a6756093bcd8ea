// SPDX-License-Identifier: Apache-2.0
//
// Patterns of KEYS and SCAN with the meaning of Redis's stringmatchlen: '*', '?', '[a-z]', '[^...]'
// and '\'; an unclosed '[' ends with the pattern; a '-' range may be given backwards.
//
// Redis matches by recursion, and a pattern of many stars takes exponential time or the stack
// (CVE-2022-36021, CVE-2024-31228). Here a pattern is compiled once into pieces between stars. The
// leftmost place of each piece is as good as any other, so a match never goes back before a piece
// that was found: stars cost nothing. A piece of plain characters is searched in linear time
// (memmem); one with '?' or a class takes at most its length times the text's. A text that is
// shorter than the pattern's least length is refused at once.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::store {

class Glob {
 public:
  explicit Glob(std::string_view pattern);

  [[nodiscard]] bool Matches(std::string_view text) const;
  // The pattern is a lone star.
  [[nodiscard]] bool MatchesAll() const { return pieces_.size() == 2 && least_bytes_ == 0; }

 private:
  using Class = std::bitset<256>;
  struct Symbol {
    enum class Kind : uint8_t { kByte, kAny, kClass };
    Kind kind;
    char byte;
    uint32_t class_index;
  };
  // Between two stars.
  struct Piece {
    std::vector<Symbol> symbols;
    std::string plain;  // the same, if all symbols are bytes
    bool is_plain = true;
  };

  void Add(Symbol symbol);
  size_t ParseClass(std::string_view pattern, size_t at);
  [[nodiscard]] bool SymbolMatches(const Symbol& symbol, char c) const;
  [[nodiscard]] bool PieceMatchesAt(const Piece& piece, std::string_view text, size_t at) const;
  // The first place at or behind `from`, npos if none.
  [[nodiscard]] size_t FindPiece(const Piece& piece, std::string_view text, size_t from,
                                 size_t end) const;

  std::vector<Class> classes_;
  std::vector<Piece> pieces_;  // one more than there are (runs of) stars
  size_t least_bytes_ = 0;
};

}  // namespace kvorum::store
