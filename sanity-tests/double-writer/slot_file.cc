#include "slot_file.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace berth {
namespace {

constexpr char kFileName[] = "slots";
constexpr size_t kFillBytes = size_t{1} << 20;

StatusOr<Fd> Open(const std::string& path, int flags) {
  Fd file(open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoError(errno, fmt::format("open {}", path));
  return file;
}

Status SyncDirectory(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const Fd directory, Open(path, O_RDONLY | O_DIRECTORY));
  return fsync(directory.get()) == 0 ? absl::OkStatus()
                                     : ErrnoError(errno, fmt::format("sync {}", path));
}

// Written and not only allocated: a file system moves nothing that is overwritten in place.
Status MakeFile(const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kFileName);
  const std::string aside = path + ".new";
  BERTH_ASSIGN_OR_RETURN(const Fd file, Open(aside, O_WRONLY | O_CREAT | O_TRUNC));
  const std::vector<char> zeroes(kFillBytes);
  for (uint64_t at = 0; at < kWrittenBytes; at += kFillBytes) {
    if (pwrite(file.get(), zeroes.data(), kFillBytes, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kFillBytes)) {
      return ErrnoError(errno != 0 ? errno : EIO, fmt::format("fill {}", aside));
    }
  }
  if (fsync(file.get()) != 0) return ErrnoError(errno, fmt::format("sync {}", aside));
  if (rename(aside.c_str(), path.c_str()) != 0) {
    return ErrnoError(errno, fmt::format("rename {}", aside));
  }
  return SyncDirectory(directory);
}

off_t OffsetOf(uint32_t slot) { return static_cast<off_t>(slot * kSlotStrideBytes); }

}  // namespace

StatusOr<SlotFile> SlotFile::OpenDevice(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(Fd file, Open(path, O_RDWR | O_DIRECT));
  return SlotFile(std::move(file), false);
}

StatusOr<SlotFile> SlotFile::OpenOrMakeFile(const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kFileName);
  struct stat entry = {};
  if (stat(path.c_str(), &entry) != 0) {
    if (errno != ENOENT) return ErrnoError(errno, fmt::format("look at {}", path));
    BERTH_RETURN_IF_ERROR(MakeFile(directory));
  }
  BERTH_ASSIGN_OR_RETURN(Fd file, Open(path, O_RDWR | O_DIRECT));
  return SlotFile(std::move(file), true);
}

int SlotFile::Write(const Stamp& stamp) const {
  AlignedBlock block;
  EncodeBlock(stamp, block.bytes);
  const ssize_t count = pwrite(file_.get(), block.bytes.data(), kBlockBytes, OffsetOf(stamp.slot));
  if (count == static_cast<ssize_t>(kBlockBytes)) return 0;
  return count < 0 ? errno : EIO;
}

int SlotFile::Read(uint32_t slot, SlotContent& content) const {
  AlignedBlock block;
  const ssize_t count = pread(file_.get(), block.bytes.data(), kBlockBytes, OffsetOf(slot));
  if (count != static_cast<ssize_t>(kBlockBytes)) return count < 0 ? errno : EIO;
  content = DecodeBlock(block.bytes);
  return 0;
}

int SlotFile::Sync() const { return fdatasync(file_.get()) == 0 ? 0 : errno; }

StatusOr<std::vector<uint64_t>> SlotFile::Offsets() const {
  std::vector<uint64_t> offsets;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const auto at = static_cast<uint64_t>(OffsetOf(slot));
    if (!mounted_) {
      offsets.push_back(at);
      continue;
    }
    alignas(fiemap) std::array<char, sizeof(fiemap) + sizeof(fiemap_extent)> memory = {};
    auto* map = new (memory.data()) fiemap{};
    map->fm_start = at;
    map->fm_length = kBlockBytes;
    map->fm_extent_count = 1;
    if (ioctl(file_.get(), FS_IOC_FIEMAP, map) != 0) {
      return ErrnoError(errno, "ask where the file lies");
    }
    const fiemap_extent& extent = map->fm_extents[0];
    constexpr uint32_t kNotThere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                                   FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_NOT_ALIGNED;
    if (map->fm_mapped_extents != 1 || (extent.fe_flags & kNotThere) != 0) {
      return absl::DataLossError(fmt::format("the file has no written block at slot {}", slot));
    }
    offsets.push_back(extent.fe_physical + (at - extent.fe_logical));
  }
  return offsets;
}

}  // namespace berth
