// SPDX-License-Identifier: Apache-2.0
#include "disk/files.h"

#include "disk/limits.h"

namespace kvorum::disk {

std::string JoinPath(std::string_view dir, std::string_view name) {
  std::string path(dir);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  path.append(name);
  return path;
}

Status ReadExactly(File& file, uint64_t offset, uint64_t n, std::string& out) {
  out.reserve(out.size() + n);
  while (n > 0) {
    Result<size_t> got = file.ReadAt(offset, n, out);
    if (!got.ok()) return got.status();
    if (got.value() == 0) {
      return {StatusCode::kCorrupt, "file ends at byte " + std::to_string(offset)};
    }
    offset += got.value();
    n -= got.value();
  }
  return Status::Ok();
}

Result<std::string> ReadWhole(Files& files, const std::string& path) {
  Result<std::unique_ptr<File>> file = files.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  Result<uint64_t> size = file.value()->Size();
  if (!size.ok()) return size.status();
  std::string bytes;
  if (Status read = ReadExactly(*file.value(), 0, size.value(), bytes); !read.ok()) return read;
  return bytes;
}

Status ReplaceFile(Files& files, const std::string& dir, const std::string& name,
                   std::string_view bytes) {
  const std::string temporary = JoinPath(dir, name + ".tmp");
  Result<std::unique_ptr<File>> file = files.Open(temporary, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  if (Status s = file.value()->Write(0, bytes); !s.ok()) return s;
  if (Status s = file.value()->SyncData(); !s.ok()) return s;
  if (Status s = files.Rename(temporary, JoinPath(dir, name)); !s.ok()) return s;
  return files.SyncDir(dir);
}

std::string Hex16(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) text[i] = kDigits[value & 0xF];
  return text;
}

bool ParseHex16(std::string_view text, uint64_t* value) {
  if (text.size() != 16) return false;
  uint64_t v = 0;
  for (const char c : text) {
    uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a') + 10;
    } else {
      return false;
    }
    v = v << 4 | digit;
  }
  *value = v;
  return true;
}

}  // namespace kvorum::disk
