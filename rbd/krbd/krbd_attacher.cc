#include "rbd/krbd/krbd_attacher.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "rbd/krbd/kernel_key.h"
#include "rbd/krbd/monitors.h"
#include "rbd/mapping_intent.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

constexpr int64_t kMaxConnect_s = 60;

Mapping MappingOf(const AttachRequest& request) {
  return {.volume = request.volume, .epoch = request.epoch, .read_only = request.read_only};
}

Status CheckSame(const MappedDevice& device, const AttachRequest& request) {
  if (device.mapping.epoch != request.epoch) {
    return absl::FailedPreconditionError(fmt::format(
        "it is still attached here as {} under epoch {} of its claim, and epoch {} was asked for: "
        "detach it first",
        device.path(), device.mapping.epoch, request.epoch));
  }
  if (device.mapping.read_only != request.read_only) {
    return absl::FailedPreconditionError(
        fmt::format("it is already attached here as {} {}: detach it first", device.path(),
                    device.mapping.read_only ? "read-only" : "for writing"));
  }
  return absl::OkStatus();
}

int64_t ConnectTimeout_s(absl::Time deadline) {
  return std::clamp<int64_t>(absl::ToInt64Seconds(deadline - absl::Now()), 1, kMaxConnect_s);
}

Attachment ToAttachment(const MappedDevice& device, bool healthy) {
  Attachment attachment;
  attachment.volume = device.mapping.volume;
  attachment.epoch = device.mapping.epoch;
  attachment.device = device.path();
  attachment.instance = device.instance;
  attachment.healthy = healthy;
  return attachment;
}

}  // namespace

StatusOr<std::optional<MappedDevice>> KrbdAttacher::Find(const VolumeHandle& volume) const {
  BERTH_ASSIGN_OR_RETURN(const std::vector<MappedDevice> mapped, bus_.List());
  for (const MappedDevice& device : mapped) {
    if (device.mapping.volume == volume) return device;
  }
  return std::optional<MappedDevice>();
}

StatusOr<Attachment> KrbdAttacher::Attach(const AttachRequest& request, absl::Time deadline) {
  const std::string name = request.volume.ToString();
  BERTH_ASSIGN_OR_RETURN(const KeyedGuard::Hold hold, guard_.Acquire(name, deadline));
  StatusOr<Attachment> attachment = AttachHeld(request, deadline);
  if (attachment.ok()) return attachment;
  return Annotate(attachment.status(), fmt::format("attach {}", name));
}

StatusOr<Attachment> KrbdAttacher::AttachHeld(const AttachRequest& request, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                         connections_.Open(request.volume, request.user));
  BERTH_ASSIGN_OR_RETURN(std::optional<MappedDevice> device, Find(request.volume));
  const bool was_mapped = device.has_value();
  if (was_mapped) {
    BERTH_RETURN_IF_ERROR(CheckSame(*device, request));
  } else {
    BERTH_RETURN_IF_ERROR(request.read_only ? CheckReader(*pool, request)
                                            : RecordOpening(*pool, request));
    const StatusOr<MappedDevice> mapped = Map(*pool, request, deadline);
    if (!mapped.ok()) {
      if (!request.read_only) {
        RecordClosed(request.volume, MappingIntent(boot_id_))
            .IgnoreError();  // the first error counts
      }
      return mapped.status();
    }
    device = *mapped;
  }
  if (request.read_only) return ToAttachment(*device, true);
  const Status recorded = RecordOpen(*pool, request, *device);
  if (recorded.ok()) return ToAttachment(*device, true);
  // Nobody has used it. When this fails too, the next call or Detach finds it in sysfs.
  if (!was_mapped && bus_.Unmap(*device, RbdBus::Force::kNo).ok()) {
    RecordClosed(request.volume, MappingIntent(boot_id_)).IgnoreError();
  }
  return recorded;
}

Status KrbdAttacher::CheckReader(Pool& pool, const AttachRequest& request) {
  BERTH_ASSIGN_OR_RETURN(VolumeRecord record, pool.registry.Get(request.volume.image));
  return CheckClaim(ClaimOf(record, request.node_id), request.node_id, request.epoch);
}

// Before the kernel may open the image.
Status KrbdAttacher::RecordOpening(Pool& pool, const AttachRequest& request) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> dead, FenceEarlierBoot(pool, request));
  return pool.registry
      .Update(
          request.volume.image,
          [&](VolumeRecord& volume) -> Status {
            WriterClaim& claim = ClaimOf(volume, request.node_id);
            BERTH_RETURN_IF_ERROR(BeginOpenClaim(claim, request.node_id, request.epoch,
                                                 request.boot_id, MappingIntent(boot_id_)));
            for (const std::string& instance : dead) {
              BERTH_RETURN_IF_ERROR(CloseClaim(claim, request.node_id, request.epoch, instance));
            }
            return absl::OkStatus();
          })
      .status();
}

// What this node had open under this very claim before it was booted: without the fence, what is
// still on the way to an OSD could land after our first writes.
StatusOr<std::vector<std::string>> KrbdAttacher::FenceEarlierBoot(Pool& pool,
                                                                  const AttachRequest& request) {
  BERTH_ASSIGN_OR_RETURN(VolumeRecord record, pool.registry.Get(request.volume.image));
  const WriterClaim& claim = ClaimOf(record, request.node_id);
  if (claim.node != request.node_id || claim.epoch != request.epoch ||
      claim.boot_id == request.boot_id) {
    return std::vector<std::string>();
  }
  for (const std::string& instance : claim.instances) {
    if (IsMappingIntent(instance)) continue;  // its device was never used
    BERTH_RETURN_IF_ERROR(pool.client->FenceIfMissing(instance, kDeadClientFence));
  }
  return claim.instances;
}

StatusOr<MappedDevice> KrbdAttacher::Map(const Pool& pool, const AttachRequest& request,
                                         absl::Time deadline) {
  const Mapping mapping = MappingOf(request);
  BERTH_ASSIGN_OR_RETURN(const ClusterConfig cluster,
                         connections_.clusters().Find(request.volume.cluster));
  const CephUser& user = request.user ? *request.user : cluster.user;
  BERTH_ASSIGN_OR_RETURN(const MonitorAddresses monitors, ReadMonitors(*pool.client));
  BERTH_ASSIGN_OR_RETURN(const std::string line,
                         MappingLine(mapping, monitors, user.id, ConnectTimeout_s(deadline)));
  BERTH_ASSIGN_OR_RETURN(const KernelKey key, KernelKey::Add(MappingLabel(mapping), user.key));
  BERTH_RETURN_IF_ERROR(bus_.Map(line));
  BERTH_ASSIGN_OR_RETURN(const std::optional<MappedDevice> device, Find(request.volume));
  if (device && !device->instance.empty()) return *device;
  return absl::InternalError("the kernel mapped the image, and sysfs does not show it");
}

// In one step, so that no moment has neither. The kernel maps by name: that it got the image which
// the record means is seen here.
Status KrbdAttacher::RecordOpen(Pool& pool, const AttachRequest& request,
                                const MappedDevice& device) {
  return pool.registry
      .Update(request.volume.image,
              [&](VolumeRecord& volume) -> Status {
                if (!volume.image_id.empty() && volume.image_id != device.image_id) {
                  return absl::FailedPreconditionError(
                      fmt::format("another image (id {}) has its name now; the volume's is {}",
                                  device.image_id, volume.image_id));
                }
                WriterClaim& claim = ClaimOf(volume, request.node_id);
                BERTH_RETURN_IF_ERROR(BeginOpenClaim(claim, request.node_id, request.epoch,
                                                     request.boot_id, device.instance));
                BERTH_RETURN_IF_ERROR(
                    CloseClaim(claim, request.node_id, request.epoch, MappingIntent(boot_id_)));
                return CompleteOpenClaim(claim, request.node_id, request.epoch, device.instance);
              })
      .status();
}

Status KrbdAttacher::RecordClosed(const VolumeHandle& volume, const std::string& instance) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool, connections_.Open(volume, std::nullopt));
  const Status status =
      pool->registry
          .Update(volume.image, [&](VolumeRecord& now) { return CloseInstance(now, instance); })
          .status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;  // the volume is gone
}

Status KrbdAttacher::Detach(const VolumeHandle& volume, absl::Time deadline) {
  const std::string name = volume.ToString();
  BERTH_ASSIGN_OR_RETURN(const KeyedGuard::Hold hold, guard_.Acquire(name, deadline));
  BERTH_ASSIGN_OR_RETURN(const std::optional<MappedDevice> device, Find(volume));
  // An Attach that was cut off before it mapped left its intent.
  if (!device) return Annotate(RecordClosed(volume, MappingIntent(boot_id_)), "detach " + name);
  Status status = bus_.Unmap(*device, RbdBus::Force::kNo);
  if (absl::IsFailedPrecondition(status) && IsFenced(*device)) {
    status = bus_.Unmap(*device, RbdBus::Force::kYes);
  }
  if (status.ok() && !device->mapping.read_only) status = RecordClosed(volume, device->instance);
  return Annotate(status, "detach " + name);
}

bool KrbdAttacher::IsFenced(const MappedDevice& device) {
  const std::set<std::string> fenced = FencedInstances(device.mapping.volume.cluster);
  return fenced.count(device.instance) != 0;
}

std::set<std::string> KrbdAttacher::FencedInstances(const std::string& cluster) {
  const auto client = connections_.Client(cluster, std::nullopt);
  if (!client.ok()) return {};
  const StatusOr<std::map<std::string, int64_t>> blocklist = (*client)->Blocklist();
  if (!blocklist.ok()) return {};
  std::set<std::string> fenced;
  for (const auto& [instance, until_s] : *blocklist) fenced.insert(instance);
  return fenced;
}

StatusOr<std::vector<Attachment>> KrbdAttacher::List(absl::Time) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<MappedDevice> mapped, bus_.List());
  std::map<std::string, std::set<std::string>> fenced;  // by cluster: each is asked once
  std::vector<Attachment> attachments;
  for (const MappedDevice& device : mapped) {
    const std::string& cluster = device.mapping.volume.cluster;
    if (fenced.count(cluster) == 0) fenced[cluster] = FencedInstances(cluster);
    attachments.push_back(ToAttachment(device, fenced[cluster].count(device.instance) == 0));
  }
  return attachments;
}

}  // namespace berth
