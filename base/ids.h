// SPDX-License-Identifier: Apache-2.0
//
// Strong integer types. A term is not an index is not a node: mixing them is a compile error, and
// the underlying number is only reached by name (`value()`), at the edges where bytes are written.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>

namespace kvorum {

template <class Tag, class Rep = uint64_t>
class Strong {
 public:
  using rep = Rep;
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

  constexpr Strong& operator++() {
    ++value_;
    return *this;
  }
  constexpr Strong& operator+=(Rep n) {
    value_ += n;
    return *this;
  }
  friend constexpr Strong operator+(Strong a, Rep n) { return Strong(a.value_ + n); }
  friend constexpr Strong operator-(Strong a, Rep n) { return Strong(a.value_ - n); }
  // Distance between two values of one kind is a plain number.
  friend constexpr Rep operator-(Strong a, Strong b) { return a.value_ - b.value_; }

  static constexpr Strong Max() { return Strong(std::numeric_limits<Rep>::max()); }

  template <class H>
  friend H AbslHashValue(H h, const Strong& s) {
    return H::combine(std::move(h), s.value_);
  }

 private:
  Rep value_ = 0;
};

using Term = Strong<struct TermTag>;      // Raft term; 0 = before the first election
using Index = Strong<struct IndexTag>;    // log position; the first entry is 1, 0 = none
using NodeId = Strong<struct NodeIdTag>;  // member of the cluster; 0 = nobody
using GroupId = Strong<struct GroupIdTag, uint32_t>;  // Raft group hosted by a node
using BatchNumber = Strong<struct BatchNumberTag>;    // one save handed to the disk, from 1 upward
using ReadId = Strong<struct ReadIdTag>;              // one linearizable read round trip, monotone
using Round = Strong<struct RoundTag>;  // one wave of leader messages, monotone in a term

}  // namespace kvorum

template <class Tag, class Rep>
struct std::hash<kvorum::Strong<Tag, Rep>> {
  size_t operator()(kvorum::Strong<Tag, Rep> s) const noexcept {
    return std::hash<Rep>{}(s.value());
  }
};
