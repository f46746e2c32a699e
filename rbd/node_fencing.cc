#include "rbd/node_fencing.h"

#include <memory>
#include <utility>
#include <vector>

#include "rbd/volume_claims.h"

namespace berth {
namespace {

void Keep(Status& first, const Status& status) {
  if (first.ok()) first = status;
}

Status CheckNode(const std::string& node) {
  return node.empty() ? absl::InvalidArgumentError("the node's name is missing") : absl::OkStatus();
}

}  // namespace

Status NodeFencing::Fence(const std::string& node, const std::string& reason,
                          const Report& report) {
  BERTH_RETURN_IF_ERROR(CheckNode(node));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, connections_.clusters().Aliases());
  Status first;
  for (const std::string& alias : aliases) {
    // The mark first: what is published after this look at the volumes sees it.
    Keep(first, nodes_.Fence(alias, {.node_id = node,
                                     .reason = reason,
                                     .since_s = absl::ToUnixSeconds(clock_.Now())}));
  }
  connections_.ForEachNamespace(
      [&](const VolumeHandle& pool) { Keep(first, TakeVolumes(pool, node, report)); },
      [&](const std::string& alias, const Status& status) {
        Keep(first, Annotate(status, "cluster \"" + alias + "\""));
      });
  return first;
}

Status NodeFencing::TakeVolumes(const VolumeHandle& pool, const std::string& node,
                                const Report& report) {
  const StatusOr<std::shared_ptr<Pool>> opened = connections_.Open(pool, std::nullopt);
  if (absl::IsPermissionDenied(opened.status())) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(opened.status());
  Status first;
  std::vector<VolumeHandle> held;
  BERTH_RETURN_IF_ERROR((*opened)->registry.ForEach(
      [&](const VolumeRecord& record) {
        if (Holds(record, node)) {
          held.push_back({pool.cluster, pool.pool, pool.rados_namespace, record.image});
        }
        return true;
      },
      [&](const std::string& image, const Status& status) {
        report({pool.cluster, pool.pool, pool.rados_namespace, image}, status);
        Keep(first, status);
      }));
  for (const VolumeHandle& volume : held) {
    const Status status = publishing_.Unpublish(volume, node, std::nullopt);
    report(volume, status);
    Keep(first, status);
  }
  return first;
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
