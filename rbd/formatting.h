#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "rbd/connections.h"
#include "rbd/record.h"
#include "rbd/volume_handle.h"

namespace berth {

// The record's half of the rule that formatting needs proof of blankness; what the device itself
// holds is the other half (csi/node, libblkid). Thread-safe.
class Formatting {
 public:
  explicit Formatting(Connections& connections) : connections_(connections) {}
  virtual ~Formatting() = default;

  // May a file system be made on this volume, if its device is blank? OK and recorded as
  // `formatting` when Berth never made one there, or began to and never mounted it; a retry with
  // the same type under the same or a later epoch is OK and keeps the recorded uuid, which is
  // returned. FAILED_PRECONDITION when one was finished before (a blank device is then damage, not
  // a new volume), when another type was begun, when the claim is not `node`'s at `epoch`, or when
  // the image is not Berth's and any extent of it is allocated.
  virtual StatusOr<std::string> Begin(const VolumeHandle& volume, const std::string& node,
                                      uint64_t epoch, const std::string& type,
                                      const std::string& uuid, const std::optional<CephUser>& user);

  // After mkfs succeeded and before the first mount. FAILED_PRECONDITION when the claim is not
  // `node`'s at `epoch` any more.
  virtual Status Complete(const VolumeHandle& volume, const std::string& node, uint64_t epoch,
                          const std::optional<CephUser>& user);

  // What the record says now.
  virtual StatusOr<FileSystemRecord> Get(const VolumeHandle& volume,
                                         const std::optional<CephUser>& user);

 private:
  Connections& connections_;
};

}  // namespace berth
