#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/cluster_directory.h"
#include "rbd/volume_handle.h"

namespace berth {

struct AttachRequest {
  VolumeHandle volume;
  std::string node_id;
  std::string boot_id;
  uint64_t epoch = 0;  // of the node's claim, from ControllerPublishVolume's publish context
  bool read_only = false;
  std::optional<CephUser> user;  // from the request's secrets; absent: the cluster's own keyring
};

struct Attachment {
  VolumeHandle volume;
  uint64_t epoch = 0;
  std::string device;        // "/dev/loop7"; a block device of the image's size
  std::string instance;      // address of the client instance that has the image open
  bool healthy = true;       // false: the I/O process is gone or fenced, and I/O fails
  std::string stalled = {};  // not empty: I/O waits, and goes on by itself; says for what
};

// Makes a volume's image a block device on this node and takes it away again. Implementations
// differ in how; all keep the node's claim: the client instance is recorded before the image is
// opened, and `closed` is recorded only after it was closed. What is opened read-only is not
// recorded: it cannot write. Thread-safe.
class Attacher {
 public:
  virtual ~Attacher() = default;

  // Idempotent for the same volume and epoch: the same device again. An attachment of an older
  // epoch is refused (FAILED_PRECONDITION): detach it first. FAILED_PRECONDITION when the claim is
  // not this node's at `epoch`; NOT_FOUND when there is no such image; DEADLINE_EXCEEDED with an
  // unknown outcome: call again.
  virtual StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) = 0;

  // Drops the device, closes the image and records it. OK when it is not attached.
  // FAILED_PRECONDITION while the device is still in use (mounted or open): nothing has changed
  // then.
  virtual Status Detach(const VolumeHandle& volume, absl::Time deadline) = 0;

  // What is attached now; also what an earlier run of the caller attached.
  virtual StatusOr<std::vector<Attachment>> List(absl::Time deadline) = 0;
};

}  // namespace berth
