#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "csi/node/stage_record.h"
#include "csi/node/stage_volume.h"
#include "rbd/attacher.h"
#include "rbd/volume_handle.h"

namespace berth {

struct PublishRequest {
  VolumeHandle volume;
  std::string staging_path;
  std::string target_path;
  Access access;
  bool read_only = false;        // of this publication
  bool at_most_one_path = true;  // the access mode allows one target path: of the modes of one node
                                 // all but SINGLE_NODE_MULTI_WRITER
};

// NodePublishVolume and NodeUnpublishVolume: a bind mount of the staged file system, or of the
// device node.
//
//                    write target into the stage record       make the target, bind
//     not published ───────────────────────────────▶ recorded ───────────────────▶ published
//          ▲                                            │                             │
//          └──── remove the target, then the entry ◀────┴────────── unmount ◀─────────┘
//
// Both may be repeated at any point. Thread-safe for different volumes; the caller holds the
// volume's guard.
class VolumePublishing {
 public:
  // All must outlive this.
  VolumePublishing(const NodeIdentity& node, const StageRecords& records, Attacher& attacher)
      : node_(node), records_(records), attacher_(attacher) {}

  // CSI NodePublishVolume. OK when it is published there already in the same way; ALREADY_EXISTS
  // when in another. FAILED_PRECONDITION when the volume is not staged at the staging path, when
  // what is mounted there is not this volume's device, when its access mode or that of another
  // publication allows one target, when the target is taken, or when a raw block volume that
  // was staged writable is asked for read-only (a device node cannot be made so).
  Status Publish(const PublishRequest& request, absl::Time deadline) const;

  // CSI NodeUnpublishVolume: nothing of the volume is mounted at the target, and the target is
  // gone. OK when it was so. FAILED_PRECONDITION when something is mounted there that is not this
  // volume's; it stays.
  Status Unpublish(const VolumeHandle& volume, const std::string& target_path) const;

 private:
  StatusOr<StageRecord> StagedRecord(const PublishRequest& request, absl::Time deadline) const;
  Status CheckStagedDevice(const StageRecord& record, absl::Time deadline) const;

  const NodeIdentity& node_;
  const StageRecords& records_;
  Attacher& attacher_;
};

// Whether what is mounted at `target` is the volume of `record`. False when nothing is, or
// something else.
StatusOr<bool> IsPublishedAt(const StageRecord& record, const std::string& target);

}  // namespace berth
