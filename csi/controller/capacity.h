#pragma once

#include <cstdint>

#include "base/status.h"

namespace berth {

inline constexpr int64_t kMinVolumeBytes = int64_t{16}
                                           << 20;  // the least that ext4 with a journal uses well
inline constexpr int64_t kMaxVolumeBytes =
    int64_t{64} << 40;  // mkfs and fsck of more take longer than anybody waits
inline constexpr int64_t kDefaultVolumeBytes = int64_t{1} << 30;
inline constexpr int64_t kVolumeUnitBytes = int64_t{1} << 20;  // sizes are whole MiB

// The size of the volume to make for CSI's CapacityRange: `required_bytes` rounded up to a whole
// MiB and to the minimum. `given` says whether the request had a capacity_range at all; without one
// it is the default. INVALID_ARGUMENT when the range is empty or negative; OUT_OF_RANGE, naming
// field and value, when no supported size lies in it (CSI: CreateVolume, "Unsupported
// capacity_range").
StatusOr<int64_t> ChooseVolumeBytes(bool given, int64_t required_bytes, int64_t limit_bytes);

}  // namespace berth
