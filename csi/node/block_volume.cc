#include "csi/node/block_volume.h"

#include <optional>

#include "csi/node/block_device.h"
#include "csi/node/mount.h"
#include "csi/node/target_path.h"

namespace berth {

Status PublishBlock(const StageRecord& record, const std::string& target) {
  BERTH_RETURN_IF_ERROR(MakeTargetFile(target));
  return BindMount(record.device, target, /*read_only=*/false);
}

StatusOr<bool> IsBlockPublishedAt(const StageRecord& record, const std::string& target) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<Mount> mount, FindMount(target));
  if (!mount) return false;
  const StatusOr<dev_t> number = BlockDeviceNumber(target);
  return number.ok() && *number == record.device_number;
}

}  // namespace berth
