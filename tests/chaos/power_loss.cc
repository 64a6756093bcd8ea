// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/power_loss.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "base/check.h"
#include "tests/chaos/disk_control.h"

namespace kvorum::chaos {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSectorBytes = 512;

std::string ReadAll(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(out).str();
}

uint64_t InodeOf(const fs::path& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

void Link(const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  fs::remove(to, ignored);
  fs::create_hard_link(from, to, ignored);
}

void UndoName(const fs::path& directory, const fs::path& journal, const NameRecord& record) {
  std::error_code ignored;
  const fs::path name = directory / record.name;
  const fs::path grave = journal / record.grave;
  const bool buried = record.grave[0] != '\0' && fs::exists(grave);
  switch (record.change) {
    case Change::kCreate:
      fs::remove(name, ignored);
      break;
    case Change::kRename:
      // Noted, but killed before it was done: `name` is still there.
      if (!fs::exists(name)) fs::rename(directory / record.other, name, ignored);
      if (buried) Link(grave, directory / record.other);
      break;
    case Change::kUnlink:
      if (buried) Link(grave, name);
      break;
    default:
      break;
  }
}

uint64_t UndoNames(const fs::path& data, const fs::path& journal, const fs::path& file,
                   const PowerLoss& how, Rng& random) {
  std::string relative = file.filename().string().substr(std::strlen("dir-"));
  std::replace(relative.begin(), relative.end(), '%', '/');
  const std::string bytes = ReadAll(file);
  const size_t count = bytes.size() / sizeof(NameRecord);
  const size_t keep = how.kept_percent == 0 ? 0 : random.Below(count + 1);
  for (size_t i = count; i > keep; --i) {
    NameRecord record;
    std::memcpy(&record, bytes.data() + (i - 1) * sizeof(record), sizeof(record));
    KV_CHECK(record.magic == kJournalMagic);
    UndoName(data / relative, journal, record);
  }
  return count - keep;
}

// A file as it was when it was synced last, and the sectors that have changed since.
struct Image {
  std::string before;
  std::map<uint64_t, bool> touched;  // sector
};

void Touch(Image& image, uint64_t from, uint64_t to) {
  for (uint64_t sector = from / kSectorBytes; sector * kSectorBytes < to; ++sector) {
    image.touched[sector] = true;
  }
}

Image DurableImage(const std::string& now, const std::string& journal) {
  struct Located {
    FileRecord record;
    size_t bytes_at;
  };
  std::vector<Located> records;
  for (size_t at = 0; at + sizeof(FileRecord) <= journal.size();) {
    Located located{{}, at + sizeof(FileRecord)};
    std::memcpy(&located.record, journal.data() + at, sizeof(FileRecord));
    KV_CHECK(located.record.magic == kJournalMagic);
    at = located.bytes_at + located.record.kept;
    if (at > journal.size()) break;  // killed while noting: the change itself was not made
    records.push_back(located);
  }
  Image image{now, {}};
  for (auto it = records.rbegin(); it != records.rend(); ++it) {
    const FileRecord& record = it->record;
    if (record.offset < record.size_before && image.before.size() < record.offset + record.kept) {
      image.before.resize(record.offset + record.kept);
    }
    if (record.kept > 0) {
      image.before.replace(record.offset, record.kept, journal, it->bytes_at, record.kept);
    }
    image.before.resize(record.size_before);
    Touch(image, record.offset, record.offset + std::max(record.length, record.kept));
  }
  return image;
}

uint64_t UndoBytes(const fs::path& path, const std::string& journal, const PowerLoss& how,
                   Rng& random) {
  const std::string now = ReadAll(path);
  Image image = DurableImage(now, journal);
  std::string after = image.before;
  // The size is the file system's own record: either of the two.
  if (how.kept_percent > 0 && random.OneIn(1, 2)) after.resize(now.size());
  uint64_t undone = 0;
  for (const auto& [sector, unused] : image.touched) {
    const uint64_t from = sector * kSectorBytes;
    if (from >= after.size()) continue;
    const uint64_t n = std::min<uint64_t>(kSectorBytes, after.size() - from);
    if (random.Below(100) < how.kept_percent) {
      const std::string kept = from < now.size() ? now.substr(from, n) : std::string();
      after.replace(from, kept.size(), kept);
      continue;
    }
    ++undone;
    if (random.Below(100) >= how.garbled_percent) continue;
    for (uint64_t i = 0; i < n; ++i) after[from + i] = static_cast<char>(random.Below(256));
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << after;
  return undone;
}

}  // namespace

Undone LosePower(const std::string& data, const std::string& journal, const PowerLoss& how,
                 Rng& random) {
  Undone undone;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(journal)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    if (file.filename().string().starts_with("dir-")) {
      undone.names += UndoNames(data, journal, file, how, random);
    }
  }
  std::map<uint64_t, fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    if (entry.is_regular_file()) paths[InodeOf(entry.path())] = entry.path();
  }
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (!name.starts_with("ino-")) continue;
    const auto found = paths.find(std::stoull(name.substr(std::strlen("ino-"))));
    const std::string bytes = ReadAll(file);
    if (found != paths.end() && !bytes.empty()) {
      undone.sectors += UndoBytes(found->second, bytes, how, random);
    }
  }
  for (const fs::path& file : files) fs::remove(file);
  return undone;
}

}  // namespace kvorum::chaos
