// Raw block access: the volume's device node is bind-mounted onto a file at the target path.
#pragma once

#include <string>

#include "base/status.h"
#include "csi/node/stage_record.h"

namespace berth {

// Makes the target file and binds the device of `record` onto it.
Status PublishBlock(const StageRecord& record, const std::string& target);

// Whether what is mounted at `target` is the device node of `record`. False when nothing is, or
// something else.
StatusOr<bool> IsBlockPublishedAt(const StageRecord& record, const std::string& target);

}  // namespace berth
