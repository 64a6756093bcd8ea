// SPDX-License-Identifier: Apache-2.0
#include "server/event_file.h"

#include <utility>

#include "server/limits.h"

namespace kvorum::server {
namespace {

constexpr const char* kName = "events.jsonl";
constexpr const char* kOldName = "events.1.jsonl";

}  // namespace

void EventFile::Add(std::string_view line) {
  const std::lock_guard lock(mutex_);
  added_ += line;
  added_ += '\n';
}

Status EventFile::Open() {
  Result<std::unique_ptr<disk::File>> file = files_.Open(kName, disk::OpenMode::kReadWrite);
  if (!file.ok() && file.status().code() == StatusCode::kNotFound) {
    file = files_.Open(kName, disk::OpenMode::kCreate);
  }
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = file.value()->Size();
  if (!size.ok()) return size.status();
  file_ = std::move(file.value());
  size_ = size.value();
  return Status::Ok();
}

Status EventFile::Write() {
  std::string lines;
  {
    const std::lock_guard lock(mutex_);
    lines.swap(added_);
  }
  if (lines.empty()) return Status::Ok();
  if (file_ != nullptr && size_ >= kEventFileBytes) {
    file_.reset();
    if (Status status = files_.Rename(kName, kOldName); !status.ok()) return status;
  }
  if (file_ == nullptr) {
    if (Status status = Open(); !status.ok()) return status;
  }
  Status status = file_->Write(size_, lines);
  if (status.ok()) {
    size_ += lines.size();
  } else {
    file_.reset();
  }
  return status;
}

}  // namespace kvorum::server
