#include "csi/node/probe.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "csi/node/block_device.h"

namespace berth {
namespace {

constexpr uint64_t kSampleBytes = uint64_t{1024} * 1024;

struct ProbeFree {
  void operator()(blkid_struct_probe* probe) const { blkid_free_probe(probe); }
};
using Probe = std::unique_ptr<blkid_struct_probe, ProbeFree>;

std::string Value(blkid_probe probe, const char* name) {
  const char* value = nullptr;
  return blkid_probe_lookup_value(probe, name, &value, nullptr) == 0 ? value : "";
}

DeviceContent Recognised(blkid_probe probe) {
  const std::string type = Value(probe, "TYPE");
  if (!type.empty() && Value(probe, "USAGE") == "filesystem") {
    return FileSystem{.type = type, .uuid = Value(probe, "UUID")};
  }
  if (!type.empty()) return OtherContent{fmt::format("\"{}\"", type)};
  if (const std::string table = Value(probe, "PTTYPE"); !table.empty()) {
    return OtherContent{fmt::format("a partition table ({})", table)};
  }
  return OtherContent{"something that libblkid knows but does not name"};
}

StatusOr<bool> IsZero(int fd, uint64_t offset, uint64_t bytes, const std::string& device) {
  std::vector<char> buffer(bytes);
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t count =
        pread(fd, buffer.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return ErrnoError(count < 0 ? errno : EIO,
                        fmt::format("read {} at byte {}", device, offset + done));
    }
    done += static_cast<uint64_t>(count);
  }
  return std::all_of(buffer.begin(), buffer.end(), [](char byte) { return byte == 0; });
}

// libblkid looks for signatures and says little about reads that failed: what it does not recognise
// is read here.
DeviceContent Unrecognised(int fd, const std::string& device) {
  const StatusOr<uint64_t> size = BlockDeviceSizeBytes(device);
  if (!size.ok()) return Unreadable{size.status()};
  const uint64_t sample = std::min(*size, kSampleBytes);
  for (const uint64_t offset : {uint64_t{0}, *size - sample}) {
    const StatusOr<bool> zero = IsZero(fd, offset, sample, device);
    if (!zero.ok()) return Unreadable{zero.status()};
    if (!*zero) return UnknownData{};
  }
  return Blank{};
}

}  // namespace

DeviceContent ProbeDevice(const std::string& device) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Unreadable{ErrnoError(errno, fmt::format("open {}", device))};
  const Probe probe(blkid_new_probe());
  if (probe == nullptr) return Unreadable{absl::ResourceExhaustedError("out of memory")};
  if (blkid_probe_set_device(probe.get(), fd.get(), 0, 0) != 0) {
    return Unreadable{absl::UnavailableError(fmt::format("libblkid cannot read {}", device))};
  }
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(),
                                    BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_USAGE);
  blkid_probe_enable_partitions(probe.get(), 1);
  errno = 0;
  switch (blkid_do_safeprobe(probe.get())) {
    case 0:
      return Recognised(probe.get());
    case 1:
      return Unrecognised(fd.get(), device);
    case -2:
      return OtherContent{"several signatures that contradict each other"};
    default:
      return Unreadable{ErrnoError(errno != 0 ? errno : EIO, fmt::format("probe {}", device))};
  }
}

}  // namespace berth
