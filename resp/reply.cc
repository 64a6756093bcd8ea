// SPDX-License-Identifier: Apache-2.0
#include "resp/reply.h"

#include "base/check.h"
#include "resp/format.h"

namespace kvorum::resp {

namespace {
constexpr std::string_view kEnd = "\r\n";
}  // namespace

void Reply::Header(char type, int64_t value) {
  char line[1 + kIntegerChars + 2];
  line[0] = type;
  const std::string_view digits = FormatInteger(value, line + 1);
  const size_t size = 1 + digits.size();
  line[size] = '\r';
  line[size + 1] = '\n';
  out_->append(line, size + 2);
}

void Reply::Simple(std::string_view text) {
  if (out_ == nullptr) return;
  out_->push_back('+');
  out_->append(text);
  out_->append(kEnd);
}

void Reply::Error(std::string_view text) {
  if (out_ == nullptr) return;
  out_->push_back('-');
  const size_t start = out_->size();
  out_->append(text);
  for (size_t i = start; i < out_->size(); ++i) {
    char& c = (*out_)[i];
    if (c == '\r' || c == '\n') c = ' ';
  }
  out_->append(kEnd);
}

void Reply::Integer(int64_t value) {
  if (out_ != nullptr) Header(':', value);
}

void Reply::Bulk(std::string_view bytes) {
  if (out_ == nullptr) return;
  Header('$', static_cast<int64_t>(bytes.size()));
  out_->append(bytes);
  out_->append(kEnd);
}

void Reply::BulkInteger(int64_t value) {
  if (out_ == nullptr) return;
  char digits[kIntegerChars];
  Bulk(FormatInteger(value, digits));
}

void Reply::Null() { Raw(protocol_ == Protocol::kResp3 ? "_\r\n" : "$-1\r\n"); }

void Reply::NullArray() { Raw(protocol_ == Protocol::kResp3 ? "_\r\n" : "*-1\r\n"); }

void Reply::Boolean(bool value) {
  if (protocol_ == Protocol::kResp3) {
    Raw(value ? "#t\r\n" : "#f\r\n");
  } else {
    Raw(value ? ":1\r\n" : ":0\r\n");
  }
}

void Reply::Double(double value) {
  if (out_ == nullptr) return;
  char digits[kDoubleChars];
  const std::string_view text = FormatDouble(value, digits);
  if (protocol_ == Protocol::kResp2) {
    Bulk(text);
    return;
  }
  out_->push_back(',');
  out_->append(text);
  out_->append(kEnd);
}

void Reply::Verbatim(std::string_view format, std::string_view text) {
  if (out_ == nullptr) return;
  if (protocol_ == Protocol::kResp2) {
    Bulk(text);
    return;
  }
  KV_CHECK(format.size() == 3);
  Header('=', static_cast<int64_t>(text.size() + format.size() + 1));
  out_->append(format);
  out_->push_back(':');
  out_->append(text);
  out_->append(kEnd);
}

void Reply::Array(size_t elements) {
  if (out_ != nullptr) Header('*', static_cast<int64_t>(elements));
}

void Reply::Map(size_t pairs) {
  if (out_ == nullptr) return;
  if (protocol_ == Protocol::kResp3) {
    Header('%', static_cast<int64_t>(pairs));
  } else {
    Header('*', static_cast<int64_t>(pairs * 2));
  }
}

void Reply::Set(size_t elements) {
  if (out_ != nullptr) {
    Header(protocol_ == Protocol::kResp3 ? '~' : '*', static_cast<int64_t>(elements));
  }
}

void Reply::Push(size_t elements) {
  if (out_ != nullptr) {
    Header(protocol_ == Protocol::kResp3 ? '>' : '*', static_cast<int64_t>(elements));
  }
}

}  // namespace kvorum::resp
