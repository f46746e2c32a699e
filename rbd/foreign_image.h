#pragma once

#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/record.h"
#include "rbd/volume_handle.h"

namespace berth {

// A record of state kForeign for an image that the registry does not know; it is not written here.
// NOT_FOUND naming the volume when there is no such image.
StatusOr<VolumeRecord> DescribeForeignImage(const Pool& pool, const VolumeHandle& volume);

}  // namespace berth
