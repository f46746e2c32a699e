#include "rbd/data/instance_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace berth {
namespace {

constexpr size_t kMaxBytes = 1024;

// Two lines, written under the lock alone: what is complete and unlocked was written by a process
// that is gone.
std::string Content(const std::string& instance, const VolumeHandle& volume) {
  return fmt::format("{}\n{}\n", instance, volume.ToString());
}

// Of a file that this process has locked. Nullopt: it is not complete.
std::optional<GoneInstance> Read(const Fd& file, const std::string& path) {
  std::string text(kMaxBytes, '\0');
  const ssize_t count = pread(file.get(), text.data(), text.size(), 0);
  if (count <= 0) return std::nullopt;
  text.resize(static_cast<size_t>(count));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 3) return std::nullopt;
  StatusOr<VolumeHandle> volume = ParseVolumeHandle(lines[1]);
  if (!volume.ok()) return std::nullopt;
  return GoneInstance{.instance = lines[0], .volume = *std::move(volume), .path = path};
}

}  // namespace

std::string InstanceFilesPath(const std::string& data_socket) { return data_socket + ".instances"; }

StatusOr<InstanceFile> InstanceFile::Make(const std::string& directory, const std::string& instance,
                                          const VolumeHandle& volume) {
  if (mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return ErrnoError(errno, fmt::format("make {}", directory));
  }
  // An address has a slash: "10.0.0.7:0/123".
  const std::string path = directory + "/" + absl::StrReplaceAll(instance, {{"/", "_"}});
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) return ErrnoError(errno, fmt::format("make {}", path));
  if (flock(file.get(), LOCK_EX) != 0) return ErrnoError(errno, fmt::format("lock {}", path));
  const std::string content = Content(instance, volume);
  if (write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    return ErrnoError(errno, fmt::format("write {}", path));
  }
  return InstanceFile(std::move(file));
}

StatusOr<std::vector<GoneInstance>> FindGoneInstances(const std::string& directory) {
  std::vector<GoneInstance> gone;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path();
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid() || flock(file.get(), LOCK_SH | LOCK_NB) != 0) continue;
    if (std::optional<GoneInstance> instance = Read(file, path)) {
      gone.push_back(*std::move(instance));
    } else {
      unlink(path.c_str());
    }
  }
  if (!error || error == std::errc::no_such_file_or_directory) return gone;
  return ErrnoError(error.value(), fmt::format("look into {}", directory));
}

}  // namespace berth
