#include "csi/controller/capacity.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace berth {

StatusOr<int64_t> ChooseVolumeBytes(bool given, int64_t required_bytes, int64_t limit_bytes) {
  if (!given) return kDefaultVolumeBytes;
  if (required_bytes < 0 || limit_bytes < 0 || (required_bytes == 0 && limit_bytes == 0)) {
    return absl::InvalidArgumentError(
        fmt::format("capacity_range required_bytes {} limit_bytes {}: ask for a size above 0",
                    required_bytes, limit_bytes));
  }
  if (required_bytes > kMaxVolumeBytes) {
    return absl::OutOfRangeError(
        fmt::format("capacity_range.required_bytes {} is above the largest volume of {} bytes",
                    required_bytes, kMaxVolumeBytes));
  }
  if (limit_bytes != 0 && limit_bytes < required_bytes) {
    return absl::OutOfRangeError(fmt::format(
        "capacity_range.limit_bytes {} is below required_bytes {}", limit_bytes, required_bytes));
  }
  int64_t size = std::max(required_bytes, kMinVolumeBytes);
  size = (size + kVolumeUnitBytes - 1) / kVolumeUnitBytes * kVolumeUnitBytes;
  if (required_bytes == 0) {
    size = std::max(kMinVolumeBytes, std::min(kDefaultVolumeBytes,
                                              limit_bytes / kVolumeUnitBytes * kVolumeUnitBytes));
  }
  if (limit_bytes != 0 && size > limit_bytes) {
    return absl::OutOfRangeError(
        fmt::format("capacity_range.limit_bytes {} leaves no supported size: volumes are whole MiB "
                    "and at least {} bytes",
                    limit_bytes, kMinVolumeBytes));
  }
  return size;
}

}  // namespace berth
