#include "rbd/node_fencing.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/synchronized.h"
#include "base/worker_pool.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

constexpr size_t kAtOnce = 32;

void Keep(Status& first, const Status& status) {
  if (first.ok()) first = status;
}

Status CheckNode(const std::string& node) {
  return node.empty() ? absl::InvalidArgumentError("the node's name is missing") : absl::OkStatus();
}

}  // namespace

// Clusters at once, because one of them may not answer; and in each the volumes at once, because
// Ceph writes down all fences that come within one paxos interval together.
Status NodeFencing::Fence(const std::string& node, const std::string& reason,
                          const Report& report) {
  BERTH_RETURN_IF_ERROR(CheckNode(node));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, connections_.clusters().Aliases());
  Synchronized<Status> first;
  const Report keep = [&](const VolumeHandle& volume, const Status& status) {
    const auto lock = first.Lock();
    if (!volume.image.empty()) report(volume, status);
    Keep(*lock, status);
  };
  {
    WorkerPool clusters(kAtOnce, aliases.size());
    for (const std::string& alias : aliases) {
      const auto fence = [this, alias, &node, &reason, &keep] {
        keep({alias, "", "", ""},
             Annotate(FenceInCluster(alias, node, reason, keep), "cluster \"" + alias + "\""));
      };
      if (const Status queued = clusters.Submit(fence); !queued.ok()) return queued;
    }
  }
  return *first.Lock();
}

Status NodeFencing::FenceInCluster(const std::string& alias, const std::string& node,
                                   const std::string& reason, const Report& report) {
  // The mark first: what is published after this look at the volumes sees it. Where it cannot be
  // set, what the node holds is taken all the same.
  Status first = nodes_.Fence(
      alias, {.node_id = node, .reason = reason, .since_s = absl::ToUnixSeconds(clock_.Now())});
  BERTH_ASSIGN_OR_RETURN(const std::vector<VolumeHandle> pools, connections_.ListNamespaces(alias));
  std::vector<VolumeHandle> held;
  for (const VolumeHandle& pool : pools) Keep(first, FindHeld(pool, node, report, held));
  WorkerPool workers(kAtOnce, held.size());
  for (const VolumeHandle& volume : held) {
    Keep(first, workers.Submit([this, &volume, &node, &report] {
      report(volume, publishing_.Unpublish(volume, node, std::nullopt));
    }));
  }
  return first;  // once the workers have ended
}

Status NodeFencing::FindHeld(const VolumeHandle& pool, const std::string& node,
                             const Report& report, std::vector<VolumeHandle>& held) {
  const StatusOr<std::shared_ptr<Pool>> opened = connections_.Open(pool, std::nullopt);
  if (absl::IsPermissionDenied(opened.status())) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(opened.status());
  return (*opened)->registry.ForEach(
      [&](const VolumeRecord& record) {
        if (Holds(record, node)) {
          held.push_back({pool.cluster, pool.pool, pool.rados_namespace, record.image});
        }
        return true;
      },
      [&](const std::string& image, const Status& status) {
        report({pool.cluster, pool.pool, pool.rados_namespace, image}, status);
      });
}

Status NodeFencing::Unfence(const std::string& node) {
  BERTH_RETURN_IF_ERROR(CheckNode(node));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, connections_.clusters().Aliases());
  Status first;
  for (const std::string& alias : aliases) Keep(first, nodes_.Lift(alias, node));
  return first;
}

void NodeFencing::List(const std::function<void(const std::string&, const NodeFence&)>& visit,
                       const std::function<void(const std::string&, const Status&)>& report) {
  const StatusOr<std::vector<std::string>> aliases = connections_.clusters().Aliases();
  if (!aliases.ok()) return report("", aliases.status());
  for (const std::string& alias : *aliases) {
    const StatusOr<std::vector<NodeFence>> fences = nodes_.ListFences(alias);
    if (!fences.ok()) {
      report(alias, fences.status());
      continue;
    }
    for (const NodeFence& fence : *fences) visit(alias, fence);
  }
}

}  // namespace berth
