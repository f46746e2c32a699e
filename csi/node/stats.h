#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace berth {

struct Amounts {
  int64_t total = 0;
  int64_t used = 0;
  int64_t available = 0;  // to a process without privileges
};

struct FileSystemStats {
  Amounts bytes;
  Amounts inodes;
};

// Of the file system mounted at `path` (statvfs).
StatusOr<FileSystemStats> ReadFileSystemStats(const std::string& path);

}  // namespace berth
