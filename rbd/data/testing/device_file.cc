#include "rbd/data/testing/device_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace berth {
namespace {

struct alignas(DeviceFile::kBlockBytes) Block {
  std::array<uint64_t, DeviceFile::kBlockBytes / sizeof(uint64_t)> words;
};

}  // namespace

DeviceFile::DeviceFile(const std::string& path, int flags)
    : fd_(open(path.c_str(), flags | O_DIRECT | O_CLOEXEC)) {}

int DeviceFile::WriteBlock(uint64_t block, uint64_t stamp) {
  Block buffer;
  buffer.words.fill(stamp);
  const ssize_t count =
      pwrite(fd_.get(), &buffer, sizeof buffer, static_cast<off_t>(block * kBlockBytes));
  if (count < 0) return errno;
  return count == sizeof buffer ? 0 : EIO;
}

int DeviceFile::ReadBlock(uint64_t block, uint64_t& stamp) {
  Block buffer;
  const ssize_t count =
      pread(fd_.get(), &buffer, sizeof buffer, static_cast<off_t>(block * kBlockBytes));
  if (count < 0) return errno;
  if (count != sizeof buffer) return EIO;
  const uint64_t first = buffer.words[0];
  const bool same = std::all_of(buffer.words.begin(), buffer.words.end(),
                                [first](uint64_t word) { return word == first; });
  stamp = same ? first : ~uint64_t{0};
  return 0;
}

int DeviceFile::Sync() { return fsync(fd_.get()) == 0 ? 0 : errno; }

int DeviceFile::Discard(uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  return ioctl(fd_.get(), BLKDISCARD, range) == 0 ? 0 : errno;
}

}  // namespace berth
