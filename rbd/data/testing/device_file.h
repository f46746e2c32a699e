#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace berth {

// A block device opened with O_DIRECT, for tests. Calls return 0 or an errno.
class DeviceFile {
 public:
  static constexpr size_t kBlockBytes = 4096;

  DeviceFile(const std::string& path, int flags);

  bool valid() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  // One block filled with `stamp`, repeated.
  int WriteBlock(uint64_t block, uint64_t stamp);
  // Reads a block; `stamp` is what it is filled with, all ones when it is not one stamp.
  int ReadBlock(uint64_t block, uint64_t& stamp);
  int Sync();
  int Discard(uint64_t offset, uint64_t length);

 private:
  Fd fd_;
};

}  // namespace berth
