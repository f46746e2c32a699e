#include "csi/controller/fence_keeper.h"

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "rbd/fence_upkeep.h"

namespace berth {
namespace {

constexpr absl::Duration kInterval = absl::Minutes(1);

std::string_view Describe(FenceEvent event) {
  switch (event) {
    case FenceEvent::kGone:
      return "a fenced client instance is gone; its fence is forgotten";
    case FenceEvent::kBroughtBack:
      return "a fence was not in Ceph's blocklist any more, and is again; who removed it?";
    case FenceEvent::kFailed:
      return "a fence could not be upheld; it is tried again";
  }
  return "";
}

void Report(const VolumeHandle& pool, const FenceRecord& fence, FenceEvent event,
            const Status& status) {
  LogLine line{std::string(Describe(event))};
  line.Field("cluster", pool.cluster)
      .Field("pool", pool.pool)
      .Field("image", fence.image)
      .Field("node", fence.node)
      .Field("instance", fence.instance);
  if (!status.ok()) line.Field("error", std::string(status.message()));
  line.Write(event == FenceEvent::kGone ? spdlog::level::info : spdlog::level::err);
}

void Skip(const std::string& cluster, const std::string& pool, const Status& status) {
  LogLine("fences could not be looked at; they are looked at again")
      .Field("cluster", cluster)
      .Field("pool", pool)
      .Field("error", std::string(status.message()))
      .Write(spdlog::level::warn);
}

}  // namespace

FenceKeeper::FenceKeeper(Connections& connections, Nodes& nodes, const Clock& clock,
                         std::chrono::seconds fence_duration)
    : connections_(connections),
      nodes_(nodes),
      clock_(clock),
      fence_duration_(fence_duration),
      task_([this] { return Uphold(); }) {}

absl::Duration FenceKeeper::Uphold() {
  connections_.ForEachNamespace(
      [this](const VolumeHandle& pool) { UpholdIn(pool); },
      [](const std::string& cluster, const Status& status) { Skip(cluster, "", status); });
  return kInterval;
}

void FenceKeeper::UpholdIn(const VolumeHandle& pool) {
  const StatusOr<std::shared_ptr<Pool>> opened = connections_.Open(pool, std::nullopt);
  Status status = opened.status();
  if (status.ok()) {
    status = UpholdFences(
        (*opened)->fences,
        {.fencer = *(*opened)->client,
         .now = clock_.Now(),
         .duration = fence_duration_,
         .boot_id_of = [&](const std::string& node) -> StatusOr<std::string> {
           BERTH_ASSIGN_OR_RETURN(const NodeRecord record, nodes_.Find(pool, node, std::nullopt));
           return record.boot_id;
         },
         .report = [&](const FenceRecord& fence, FenceEvent event,
                       const Status& outcome) { Report(pool, fence, event, outcome); }});
  }
  // A pool that this user may not read holds no volumes of ours.
  if (!status.ok() && status.code() != absl::StatusCode::kPermissionDenied) {
    Skip(pool.cluster, pool.pool, status);
  }
}

}  // namespace berth
