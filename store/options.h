// SPDX-License-Identifier: Apache-2.0
//
// Reads the option words behind a command's fixed arguments. The first error is latched: a parser
// asks for what it wants, in order, and looks once, at the end. The same parse serves the check
// before proposing and the handler.
//
//   Options options(argv, 3);
//   while (options.Next()) {
//     if (options.Is("nx")) ...
//     else if (options.Is("ex")) seconds = options.Integer();
//     else options.Syntax();
//   }
//   if (!options.Finish(reply)) return false;
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "resp/format.h"
#include "resp/reply.h"
#include "store/command.h"
#include "store/errors.h"

namespace kvorum::store {

class Options {
 public:
  // Starts before argv[from].
  Options(Argv argv, size_t from) : argv_(argv), next_(from) {}

  // Moves to the next word; false at the end or after an error.
  bool Next() {
    if (!error_.empty() || next_ >= argv_.size()) return false;
    word_ = argv_[next_++];
    return true;
  }
  [[nodiscard]] bool Is(std::string_view word) const { return resp::EqualsIgnoreCase(word_, word); }
  // Whether at least one more word follows.
  [[nodiscard]] bool HasMore() const { return next_ < argv_.size(); }
  // The word after the current one; a syntax error if there is none.
  std::string_view Argument() {
    if (!HasMore()) {
      Syntax();
      return {};
    }
    return argv_[next_++];
  }
  // Argument as an integer; 0 after an error.
  int64_t Integer(std::string_view error = kErrNotInteger) {
    const std::string_view text = Argument();
    if (!error_.empty()) return 0;
    return ToInteger(text, error);
  }
  int64_t ToInteger(std::string_view text, std::string_view error = kErrNotInteger) {
    const auto value = resp::ParseInteger(text);
    if (!value.has_value()) Fail(error);
    return value.value_or(0);
  }

  void Syntax() { Fail(kErrSyntax); }
  // `error` must outlive the parse; only the first counts.
  void Fail(std::string_view error) {
    if (error_.empty()) error_ = error;
  }
  [[nodiscard]] bool ok() const { return error_.empty(); }
  // ok(), and writes the error when it is not.
  bool Finish(resp::Reply& reply) const {
    if (!error_.empty()) reply.Error(error_);
    return error_.empty();
  }

 private:
  Argv argv_;
  size_t next_;
  std::string_view word_;
  std::string_view error_;
};

}  // namespace kvorum::store
