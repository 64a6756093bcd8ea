// SPDX-License-Identifier: Apache-2.0
//
// Limits of the request parser and the reply writer. Those that an operator may change are the
// defaults of ParserLimits; the rest are fixed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvorum::resp {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

// A line (inline request, or the count after '*' and '$') that is longer than this is an error.
inline constexpr size_t kMaxInlineBytes = 64 * kKiB;

// Redis's own ceiling of proto-max-bulk-len in Kvorum, and what it is until configured.
inline constexpr size_t kMaxBulkBytes = 512 * kMiB;
inline constexpr size_t kDefaultBulkBytes = 64 * kMiB;

// Arguments of one request. Redis allows 2^31-1, which only serves attackers.
inline constexpr size_t kMaxArgs = 1024 * 1024;

// Before authentication, as Redis.
inline constexpr size_t kUnauthenticatedArgs = 10;
inline constexpr size_t kUnauthenticatedBulkBytes = 16 * kKiB;

// What one parsed argument costs on top of its bytes: it is counted against the budget, so that a
// million one-byte arguments are not cheap.
inline constexpr size_t kArgumentOverheadBytes = 64;

// Default budget of one request: bytes of its arguments plus their overhead.
inline constexpr size_t kDefaultRequestBytes = 128 * kMiB;

// The least a reader asks for while a big bulk is on its way; see Parser::WantedBytes.
inline constexpr size_t kReadStepBytes = 64 * kKiB;

static_assert(kDefaultBulkBytes <= kMaxBulkBytes);
static_assert(kUnauthenticatedBulkBytes <= kMaxInlineBytes);
static_assert(kDefaultRequestBytes > kDefaultBulkBytes);
static_assert(kMaxArgs * kArgumentOverheadBytes <= kDefaultRequestBytes);
static_assert(kMaxBulkBytes <= INT32_MAX);

}  // namespace kvorum::resp
