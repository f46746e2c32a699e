#include "csi/node/stage_record.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/fd.h"

namespace berth {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr int kNewestReadable = 2;
constexpr char kSuffix[] = ".json";

json PublicationToJson(const Publication& publication) {
  json value = publication.unknown;
  value["read_only"] = publication.read_only;
  value["at_most_one_path"] = publication.at_most_one_path;
  return value;
}

Publication PublicationFromJson(json value) {
  Publication publication;
  publication.read_only = value.at("read_only").get<bool>();
  publication.at_most_one_path = value.value("at_most_one_path", false);  // since version 0.3
  value.erase("read_only");
  value.erase("at_most_one_path");
  publication.unknown = std::move(value);
  return publication;
}

StageRecord FromJson(json value) {
  const int version = value.at("version").get<int>();
  if (version < 1 || version > kNewestReadable) {
    throw std::runtime_error(
        fmt::format("it has version {}, and this program reads 1 to {}", version, kNewestReadable));
  }
  StageRecord record;
  StatusOr<VolumeHandle> volume = ParseVolumeHandle(value.at("volume").get<std::string>());
  if (!volume.ok()) throw std::runtime_error(std::string(volume.status().message()));
  record.volume = *std::move(volume);
  record.epoch = value.at("epoch").get<uint64_t>();
  record.boot_id = value.at("boot_id").get<std::string>();
  record.staging_path = value.at("staging_path").get<std::string>();
  record.access = {.block = value.at("block").get<bool>(),
                   .fs_type = value.at("fs_type").get<std::string>(),
                   .mount_flags = value.at("mount_flags").get<std::vector<std::string>>(),
                   .read_only = value.at("read_only").get<bool>()};
  record.device = value.at("device").get<std::string>();
  record.device_number = makedev(value.at("device_major").get<unsigned int>(),
                                 value.at("device_minor").get<unsigned int>());
  for (const auto& [path, publication] : value.at("targets").items()) {
    record.targets[path] = PublicationFromJson(publication);
  }
  for (const char* known :
       {"volume", "epoch", "boot_id", "staging_path", "block", "fs_type", "mount_flags",
        "read_only", "device", "device_major", "device_minor", "targets"}) {
    value.erase(known);
  }
  record.unknown = std::move(value);  // the version stays in it: the higher one is written back
  return record;
}

Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, fmt::format("write {}", path));
    text.remove_prefix(static_cast<size_t>(count));
  }
  if (fsync(fd) != 0) return ErrnoError(errno, fmt::format("sync {}", path));
  return absl::OkStatus();
}

StatusOr<StageRecord> ReadRecord(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return absl::UnavailableError(fmt::format("cannot read stage record {}", path));
  StatusOr<StageRecord> record = ParseStageRecord(text);
  if (!record.ok()) return Annotate(record.status(), path);
  return record;
}

}  // namespace

std::string StageRecord::ToJson() const {
  json value = unknown;
  value["version"] = std::max(kVersion, value.value("version", kVersion));
  value["volume"] = volume.ToString();
  value["epoch"] = epoch;
  value["boot_id"] = boot_id;
  value["staging_path"] = staging_path;
  value["block"] = access.block;
  value["fs_type"] = access.fs_type;
  value["mount_flags"] = access.mount_flags;
  value["read_only"] = access.read_only;
  value["device"] = device;
  value["device_major"] = major(device_number);
  value["device_minor"] = minor(device_number);
  value["targets"] = json::object();
  for (const auto& [path, publication] : targets) {
    value["targets"][path] = PublicationToJson(publication);
  }
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

StatusOr<StageRecord> ParseStageRecord(std::string_view text) {
  try {
    return FromJson(json::parse(text));
  } catch (const std::exception& error) {
    return absl::DataLossError(fmt::format(
        "this is not a stage record that can be read: {}; berth-node wrote it or it is damaged: "
        "unmount and detach the volume by hand, then move the file away",
        error.what()));
  }
}

StatusOr<StageRecords> StageRecords::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  if (error)
    return ErrnoError(error.value(), fmt::format("make the state directory {}", directory));
  return StageRecords(directory);
}

// A handle holds no '@', so the file name is unique, readable and at most 133 bytes.
std::string StageRecords::PathOf(const VolumeHandle& volume) const {
  std::string name = volume.ToString();
  std::replace(name.begin(), name.end(), '/', '@');
  return directory_ + "/" + name + kSuffix;
}

StatusOr<std::optional<StageRecord>> StageRecords::Get(const VolumeHandle& volume) const {
  const std::string path = PathOf(volume);
  struct stat entry = {};
  if (stat(path.c_str(), &entry) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return ErrnoError(errno, fmt::format("look at stage record {}", path));
  }
  BERTH_ASSIGN_OR_RETURN(StageRecord record, ReadRecord(path));
  return record;
}

Status StageRecords::Put(const StageRecord& record) const {
  const std::string path = PathOf(record.volume);
  const std::string aside = path + ".new";
  {
    const Fd fd(open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoError(errno, fmt::format("make stage record {}", aside));
    BERTH_RETURN_IF_ERROR(WriteAll(fd.get(), record.ToJson(), aside));
  }
  if (rename(aside.c_str(), path.c_str()) != 0) {
    return ErrnoError(errno, fmt::format("put stage record {} in place", path));
  }
  return SyncDirectory();
}

Status StageRecords::Remove(const VolumeHandle& volume) const {
  const std::string path = PathOf(volume);
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return ErrnoError(errno, fmt::format("remove stage record {}", path));
  }
  return SyncDirectory();
}

StatusOr<std::vector<StageRecord>> StageRecords::List() const {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory_, error);
  if (error) return ErrnoError(error.value(), fmt::format("list {}", directory_));
  std::vector<StageRecord> records;
  for (const std::filesystem::directory_entry& entry : entries) {
    if (entry.path().extension() != kSuffix) continue;  // a Put that was cut off
    BERTH_ASSIGN_OR_RETURN(StageRecord record, ReadRecord(entry.path().string()));
    records.push_back(std::move(record));
  }
  std::sort(records.begin(), records.end(),
            [](const StageRecord& a, const StageRecord& b) { return a.volume < b.volume; });
  return records;
}

Status StageRecords::SyncDirectory() const {
  const Fd fd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) {
    return ErrnoError(errno, fmt::format("sync {}", directory_));
  }
  return absl::OkStatus();
}

}  // namespace berth
