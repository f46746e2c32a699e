#include "csi/node/stats.h"

#include <spdlog/fmt/fmt.h>
#include <sys/statvfs.h>

#include <cerrno>

namespace berth {

StatusOr<FileSystemStats> ReadFileSystemStats(const std::string& path) {
  struct statvfs stats = {};
  if (statvfs(path.c_str(), &stats) != 0) {
    return ErrnoError(errno, fmt::format("ask the file system at {} for its usage", path));
  }
  const auto bytes = [&](fsblkcnt_t blocks) {
    return static_cast<int64_t>(blocks) * static_cast<int64_t>(stats.f_frsize);
  };
  return FileSystemStats{.bytes = {.total = bytes(stats.f_blocks),
                                   .used = bytes(stats.f_blocks - stats.f_bfree),
                                   .available = bytes(stats.f_bavail)},
                         .inodes = {.total = static_cast<int64_t>(stats.f_files),
                                    .used = static_cast<int64_t>(stats.f_files - stats.f_ffree),
                                    .available = static_cast<int64_t>(stats.f_favail)}};
}

}  // namespace berth
