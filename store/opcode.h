// SPDX-License-Identifier: Apache-2.0
//
// The number a write command has in the log. Append-only: a number is never changed or used again,
// because logs of every release must be readable. tests/store/opcodes.golden holds them all.
#pragma once

#include <cstdint>

namespace kvorum::store {

enum class Opcode : uint16_t {
  kNone = 0,  // not a write: never in the log
  kSet = 1,
  kSetnx = 2,
  kSetex = 3,
  kPsetex = 4,
  kGetset = 5,
  kGetdel = 6,
  kGetex = 7,
  kMset = 8,
  kMsetnx = 9,
  kAppend = 10,
  kSetrange = 11,
  kIncr = 12,
  kIncrby = 13,
  kDecr = 14,
  kDecrby = 15,
  kIncrbyfloat = 16,
  kDel = 17,
  kUnlink = 18,
  kRename = 19,
  kRenamenx = 20,
  kCopy = 21,
  kMove = 22,
  kExpire = 23,
  kPexpire = 24,
  kExpireat = 25,
  kPexpireat = 26,
  kPersist = 27,
  kFlushdb = 28,
  kFlushall = 29,
  kSwapdb = 30,
  kRaiseFeatureLevel = 31,  // no client's command: store/feature.h
};

inline constexpr uint16_t kOpcodeEnd = 32;  // one past the last

}  // namespace kvorum::store
