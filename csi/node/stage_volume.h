#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "csi/node/stage_record.h"
#include "rbd/attacher.h"
#include "rbd/cluster_directory.h"
#include "rbd/formatting.h"
#include "rbd/volume_handle.h"

namespace berth {

// Who this node is.
struct NodeIdentity {
  std::string node_id;
  std::string boot_id;
};

struct StageRequest {
  VolumeHandle volume;
  uint64_t epoch = 0;
  std::string staging_path;
  Access access;
  std::optional<CephUser> user;
};

// NodeStageVolume and NodeUnstageVolume. Everything that has to be known is in the volume's stage
// record and in the kernel's mount table, so a new process goes on where the old one ended:
//
//                    write record     Attach, write device     (prepare file system, see
//                    file_system.h) mount
//      no record ──────────────▶ recorded ──────────▶ attached
//      ──────────────────────────────────────▶ staged
//          ▲                         │                    │ │ └───── remove record ─────┴─────
//          Detach ◀──────┴────────────────── unmount ◀──────────────────┘
//
// Stage goes right from wherever it finds the volume, Unstage goes left, and both may be repeated
// at any point. A raw block volume is staged when it is attached.
//
// A record of another boot speaks of mounts and devices that are gone, and is dropped. A record of
// an older epoch speaks of an attachment that may have been fenced since: it is taken down before
// the volume is attached anew.
//
// Thread-safe for different volumes; the caller holds the volume's guard.
class VolumeStaging {
 public:
  // All must outlive this.
  VolumeStaging(const NodeIdentity& node, const StageRecords& records, Attacher& attacher,
                Formatting& formatting)
      : node_(node), records_(records), attacher_(attacher), formatting_(formatting) {}

  // CSI NodeStageVolume: the volume is mounted at the staging path, or attached for block access.
  // OK when it is so already. ALREADY_EXISTS when it is staged there with another capability.
  // FAILED_PRECONDITION when it is staged at another path, when the epoch is older than the staged
  // one, when pods still use an attachment of an older epoch, or when something that is not this
  // volume is mounted at the path. Else errors of Attacher, PrepareFileSystem, mount: after one
  // that is final (OutcomeIsUnknown says which are not) nothing of the volume is left that this
  // made.
  Status Stage(const StageRequest& request, absl::Time deadline) const;

  // CSI NodeUnstageVolume: nothing of the volume is on this node. OK when there was nothing.
  // FAILED_PRECONDITION while it is still published, or when something that is not this volume is
  // mounted at the path. A device that fails I/O is detached lazily and not synced.
  Status Unstage(const VolumeHandle& volume, const std::string& staging_path,
                 absl::Time deadline) const;

 private:
  StatusOr<std::optional<StageRecord>> RecordOfThisBoot(const VolumeHandle& volume) const;
  // Whether `record` may be gone on with for `request`; false when it has to be taken down first.
  StatusOr<bool> Fits(const StageRecord& record, const StageRequest& request) const;
  Status AttachAndMount(StageRecord& record, const StageRequest& request,
                        absl::Time deadline) const;
  Status PrepareUnlessInUse(const StageRecord& record, const StageRequest& request) const;
  Status TakeDown(const StageRecord& record, absl::Time deadline) const;
  bool Fails(const VolumeHandle& volume, absl::Time deadline) const;

  const NodeIdentity& node_;
  const StageRecords& records_;
  Attacher& attacher_;
  Formatting& formatting_;
};

// Whether the file system of `record`'s device is mounted at its staging path; false when nothing
// is. FAILED_PRECONDITION, naming it, when something else is.
StatusOr<bool> IsStagedAt(const StageRecord& record);

}  // namespace berth
