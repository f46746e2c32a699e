#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/keyed_guard.h"
#include "base/status.h"
#include "rbd/attacher.h"
#include "rbd/connections.h"
#include "rbd/krbd/rbd_bus.h"

namespace berth {

// Attaches images by the kernel's own rbd, through sysfs: no process of ours does the I/O, so none
// can die. It keeps nothing in memory; what is attached is in sysfs.
//
// The kernel tells its client's address only after it has mapped, so the claim goes
//
//   intent recorded ──▶ mapped ──▶ address recorded as open, intent taken back ──▶ device returned
//
// and a device that does not get to the end is unmapped without anybody having used it. RBD's
// exclusive lock is left to the kernel, which hands it over on request: other clients' maintenance
// goes on, and claim and fence alone keep other writers away (docs/adr/krbd.md).
//
// Calls block as long as the kernel does: a deadline limits the search for a monitor and the wait
// for an earlier call, and whoever calls for somebody else watches the rest (csi/rpc.h).
// Thread-safe.
class KrbdAttacher final : public Attacher {
 public:
  // `connections` must outlive this. `boot_id` of this node, as in AttachRequest.
  KrbdAttacher(Connections& connections, RbdBus bus, std::string boot_id)
      : connections_(connections), bus_(std::move(bus)), boot_id_(std::move(boot_id)) {}

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override;
  // A fenced device that is still in use is taken from its users, who get I/O errors already.
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  // A device is unhealthy when its client is blocklisted. When the monitors cannot be asked it is
  // taken for sound: then I/O waits and does not fail.
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override;

 private:
  StatusOr<Attachment> AttachHeld(const AttachRequest& request, absl::Time deadline);
  StatusOr<MappedDevice> Map(const Pool& pool, const AttachRequest& request, absl::Time deadline);
  static Status CheckReader(Pool& pool, const AttachRequest& request);
  Status RecordOpening(Pool& pool, const AttachRequest& request);
  // Returns the instances that are fenced now.
  static StatusOr<std::vector<std::string>> FenceEarlierBoot(Pool& pool,
                                                             const AttachRequest& request);
  Status RecordOpen(Pool& pool, const AttachRequest& request, const MappedDevice& device);
  // What `instance` had open is closed.
  Status RecordClosed(const VolumeHandle& volume, const std::string& instance);
  StatusOr<std::optional<MappedDevice>> Find(const VolumeHandle& volume) const;
  bool IsFenced(const MappedDevice& device);
  // Empty too when nobody can be asked.
  std::set<std::string> FencedInstances(const std::string& cluster);

  Connections& connections_;
  const RbdBus bus_;
  const std::string boot_id_;
  KeyedGuard guard_;
};

}  // namespace berth
