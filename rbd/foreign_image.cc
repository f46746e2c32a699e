#include "rbd/foreign_image.h"

#include <spdlog/fmt/fmt.h>

#include "rbd/image.h"

namespace berth {

StatusOr<VolumeRecord> DescribeForeignImage(const Pool& pool, const VolumeHandle& volume) {
  const StatusOr<Image> image = Image::Open(pool.io, volume.image, Image::Mode::kReadOnly);
  if (image.status().code() == absl::StatusCode::kNotFound) {
    return absl::NotFoundError(
        fmt::format("volume \"{}\" does not exist: cluster \"{}\" has no image {}",
                    volume.ToString(), volume.cluster, volume.ImageSpec()));
  }
  if (!image.ok()) return image.status();
  VolumeRecord record;
  record.image = volume.image;
  record.state = VolumeState::kForeign;
  BERTH_ASSIGN_OR_RETURN(record.image_id, image->Id());
  BERTH_ASSIGN_OR_RETURN(record.size_bytes, image->SizeBytes());
  return record;
}

}  // namespace berth
