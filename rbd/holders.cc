#include "rbd/holders.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "rbd/volume_claims.h"

namespace berth {
namespace {

VolumeHandle In(const VolumeHandle& pool, const std::string& image) {
  return {pool.cluster, pool.pool, pool.rados_namespace, image};
}

// `visit` for every pool and namespace that this user may read: others hold no volumes of ours.
void ForEachPool(Connections& connections,
                 const std::function<Status(const VolumeHandle&, Pool&)>& visit,
                 const ReportProblem& report) {
  connections.ForEachNamespace(
      [&](const VolumeHandle& pool) {
        const StatusOr<std::shared_ptr<Pool>> opened = connections.Open(pool, std::nullopt);
        const Status status = opened.ok() ? visit(pool, **opened) : opened.status();
        if (!status.ok() && !absl::IsPermissionDenied(status)) report(pool.PoolToString(), status);
      },
      report);
}

}  // namespace

void ForEachHolder(Connections& connections,
                   const std::function<void(const VolumeHandle&, const VolumeRecord&)>& visit,
                   const ReportProblem& report) {
  ForEachPool(
      connections,
      [&](const VolumeHandle& where, Pool& pool) {
        std::vector<VolumeRecord> held;
        BERTH_RETURN_IF_ERROR(pool.registry.ForEach(
            [&](const VolumeRecord& record) {
              if (!HeldClaims(record).empty()) held.push_back(record);
              return true;
            },
            [&](const std::string& image, const Status& status) {
              report(In(where, image).ToString(), status);
            }));
        std::sort(held.begin(), held.end(),
                  [](const auto& a, const auto& b) { return a.image < b.image; });
        for (const VolumeRecord& record : held) visit(In(where, record.image), record);
        return absl::OkStatus();
      },
      report);
}

void ForEachFence(
    Connections& connections,
    const std::function<void(const VolumeHandle&, const FenceRecord&, bool in_force)>& visit,
    const ReportProblem& report) {
  ForEachPool(
      connections,
      [&](const VolumeHandle& where, Pool& pool) -> Status {
        BERTH_ASSIGN_OR_RETURN(const std::vector<FenceRecord> fences, pool.fences.List());
        if (fences.empty()) return absl::OkStatus();
        BERTH_ASSIGN_OR_RETURN(const auto blocklist, pool.client->Blocklist());
        for (const FenceRecord& fence : fences) {
          visit(In(where, fence.image), fence, blocklist.contains(fence.instance));
        }
        return absl::OkStatus();
      },
      report);
}

}  // namespace berth
