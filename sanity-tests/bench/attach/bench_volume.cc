#include "sanity-tests/bench/attach/bench_volume.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/time/clock.h"

namespace berth {
namespace {

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

// What berth-controller publishes with.
struct Controller {
  explicit Controller(Connections& connections)
      : nodes(connections, clock), publishing(connections, nodes, clock, kFenceDuration) {}
  RealClock clock;
  Nodes nodes;
  Publishing publishing;
};

}  // namespace

StatusOr<BenchVolume> BenchVolume::Create(Connections& connections, Attacher& attacher,
                                          const VolumeHandle& handle, uint64_t size_bytes) {
  CreateVolumeOptions options;
  options.request_name = handle.image;
  options.cluster = handle.cluster;
  options.pool = handle.pool;
  options.rados_namespace = handle.rados_namespace;
  options.size_bytes = size_bytes;
  const RealClock clock;
  BERTH_RETURN_IF_ERROR(Volumes(connections, clock).Create(options).status());
  return BenchVolume(connections, attacher, handle);
}

BenchVolume::BenchVolume(BenchVolume&& other) noexcept
    : connections_(std::exchange(other.connections_, nullptr)),
      attacher_(other.attacher_),
      handle_(std::move(other.handle_)) {}

BenchVolume::~BenchVolume() {
  if (connections_ == nullptr) return;
  Status status = Detach();
  const RealClock clock;
  Volumes volumes(*connections_, clock);
  if (status.ok()) status = volumes.Delete(handle_, {});
  if (status.ok()) {
    status = volumes.PurgeTrash(handle_, {}, [](const std::string& image, const Status& why) {
      spdlog::warn("image {} stays in the trash: {}", image, std::string(why.message()));
    });
  }
  if (!status.ok()) {
    spdlog::warn("{} is left over: {}", handle_.ToString(), std::string(status.message()));
  }
}

StatusOr<std::string> BenchVolume::Attach() {
  AttachRequest request;
  request.volume = handle_;
  request.node_id = kNode;
  request.boot_id = "bench-boot";
  BERTH_ASSIGN_OR_RETURN(
      request.epoch,
      Controller(*connections_).publishing.Publish(handle_, kNode, AccessMode::kReadWriteOnce, {}));
  BERTH_ASSIGN_OR_RETURN(const Attachment attachment, attacher_.Attach(request, Soon()));
  return attachment.device;
}

Status BenchVolume::Detach() {
  BERTH_RETURN_IF_ERROR(attacher_.Detach(handle_, Soon()));
  return Controller(*connections_).publishing.Unpublish(handle_, kNode, {});
}

}  // namespace berth
