#include "rbd/nodes.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "rbd/rados_omap.h"

namespace berth {
namespace {

using nlohmann::json;

constexpr char kNodesObject[] = "berth.nodes";
constexpr char kNodePrefix[] = "n/";
constexpr char kFencePrefix[] = "x/";
constexpr int kVersion = 1;
constexpr int kMaxAttempts = 8;

std::string Key(const std::string& node_id) { return kNodePrefix + node_id; }
std::string FenceKey(const std::string& node_id) { return kFencePrefix + node_id; }

std::string ToJson(const NodeRecord& node) {
  return json{{"version", kVersion},
              {"boot_id", node.boot_id},
              {"program_version", node.version},
              {"seen_s", node.seen_s}}
      .dump();
}

StatusOr<NodeRecord> Parse(const std::string& node_id, const std::string& text) {
  try {
    const json value = json::parse(text);
    return NodeRecord{node_id, value.at("boot_id").get<std::string>(),
                      value.at("program_version").get<std::string>(),
                      value.at("seen_s").get<int64_t>()};
  } catch (const json::exception& error) {
    return absl::DataLossError(
        fmt::format("the record of node \"{}\" cannot be read: {}", node_id, error.what()));
  }
}

std::string ToJson(const NodeFence& fence) {
  return json{{"version", kVersion}, {"reason", fence.reason}, {"since_s", fence.since_s}}.dump();
}

StatusOr<NodeFence> ParseFence(const std::string& node_id, const std::string& text) {
  try {
    const json value = json::parse(text);
    return NodeFence{node_id, value.at("reason").get<std::string>(),
                     value.at("since_s").get<int64_t>()};
  } catch (const json::exception& error) {
    return absl::DataLossError(
        fmt::format("the fence of node \"{}\" cannot be read: {}", node_id, error.what()));
  }
}

// Makes `key` hold what `choose` says of what it holds now (nullopt: absent).
Status ChangeKey(
    OmapStore& store, const std::string& key,
    const std::function<std::optional<std::string>(const std::optional<std::string>&)>& choose) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> before, store.Get(kNodesObject, key));
    const std::optional<std::string> after = choose(before);
    if (after == before) return absl::OkStatus();
    Status status = store.Update(kNodesObject, {{key, before, after}});
    if (status.code() != absl::StatusCode::kAborted) return status;
  }
  return absl::AbortedError(
      fmt::format("several programs change {} of {} at once", key, kNodesObject));
}

}  // namespace

void Nodes::Register(const NodeRecord& node,
                     const std::function<void(const std::string&, const Status&)>& report) {
  NodeRecord now = node;
  now.seen_s = absl::ToUnixSeconds(clock_.Now());
  const StatusOr<std::vector<std::string>> aliases = connections_.clusters().Aliases();
  if (!aliases.ok()) return report("", aliases.status());
  for (const std::string& alias : *aliases) {
    if (const Status status = RegisterInCluster(alias, now); !status.ok()) report(alias, status);
  }
}

Status Nodes::RegisterInCluster(const std::string& alias, const NodeRecord& node) {
  // The last registration wins.
  return ForEachPool(alias, [&node](OmapStore& store) {
    return ChangeKey(store, Key(node.node_id), [&node](const auto&) { return ToJson(node); });
  });
}

StatusOr<std::vector<NodeRecord>> Nodes::List(const std::string& alias) {
  std::map<std::string, NodeRecord> nodes;
  BERTH_RETURN_IF_ERROR(ForEachPool(alias, [&nodes](OmapStore& store) {
    return ForEachEntry(store, kNodesObject, kNodePrefix,
                        [&nodes](const OmapStore::Entry& entry) -> StatusOr<bool> {
                          BERTH_ASSIGN_OR_RETURN(
                              NodeRecord node,
                              Parse(entry.key.substr(sizeof(kNodePrefix) - 1), entry.value));
                          NodeRecord& newest = nodes[node.node_id];
                          if (node.seen_s >= newest.seen_s) newest = std::move(node);
                          return true;
                        });
  }));
  std::vector<NodeRecord> list;
  for (auto& [node_id, node] : nodes) list.push_back(std::move(node));
  return list;
}

Status Nodes::Forget(const std::string& alias, const std::string& node_id,
                     absl::Time not_seen_since) {
  bool found = false;
  BERTH_RETURN_IF_ERROR(ForEachPool(alias, [&](OmapStore& store) -> Status {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                           store.Get(kNodesObject, Key(node_id)));
    if (!text) return absl::OkStatus();
    found = true;
    BERTH_ASSIGN_OR_RETURN(const NodeRecord node, Parse(node_id, *text));
    if (absl::FromUnixSeconds(node.seen_s) > not_seen_since) {
      return absl::AbortedError(fmt::format("node \"{}\" was seen at {}", node_id,
                                            absl::FormatTime(absl::FromUnixSeconds(node.seen_s))));
    }
    return store.Update(kNodesObject, {{Key(node_id), text, std::nullopt}});
  }));
  if (found) return absl::OkStatus();
  return absl::NotFoundError(
      fmt::format("node \"{}\" is not registered in cluster \"{}\"", node_id, alias));
}

Status Nodes::Fence(const std::string& alias, const NodeFence& fence) {
  return ForEachPool(alias, [&fence](OmapStore& store) {
    return ChangeKey(store, FenceKey(fence.node_id),
                     [&fence](const auto& before) { return before ? before : ToJson(fence); });
  });
}

Status Nodes::Lift(const std::string& alias, const std::string& node_id) {
  return ForEachPool(alias, [&node_id](OmapStore& store) {
    return ChangeKey(store, FenceKey(node_id), [](const auto&) { return std::nullopt; });
  });
}

Status Nodes::ForEachPool(const std::string& alias, const Change& change) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client,
                         connections_.Client(alias, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> pools, connections_.ListPools(alias));
  Status failed;
  for (const std::string& name : pools) {
    StatusOr<IoContext> io = client->OpenPool(name, "");
    if (!io.ok()) continue;  // deleted meanwhile
    const Status status = change(*MakeRadosOmapStore(client, *std::move(io)));
    // A pool that this user may not write to holds no volumes of ours.
    if (!status.ok() && status.code() != absl::StatusCode::kPermissionDenied) failed = status;
  }
  return failed;
}

StatusOr<std::optional<NodeFence>> Nodes::FindFence(const VolumeHandle& volume,
                                                    const std::string& node_id,
                                                    const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client,
                         connections_.Client(volume.cluster, user));
  BERTH_ASSIGN_OR_RETURN(IoContext io, client->OpenPool(volume.pool, ""));
  BERTH_ASSIGN_OR_RETURN(
      const std::optional<std::string> value,
      MakeRadosOmapStore(client, std::move(io))->Get(kNodesObject, FenceKey(node_id)));
  if (!value) return std::nullopt;
  return ParseFence(node_id, *value);
}

StatusOr<std::vector<NodeFence>> Nodes::ListFences(const std::string& alias) {
  std::map<std::string, NodeFence> fences;  // a pool that was made later may not have it
  BERTH_RETURN_IF_ERROR(ForEachPool(alias, [&fences](OmapStore& store) {
    return ForEachEntry(store, kNodesObject, kFencePrefix,
                        [&fences](const OmapStore::Entry& entry) -> StatusOr<bool> {
                          BERTH_ASSIGN_OR_RETURN(
                              NodeFence fence,
                              ParseFence(entry.key.substr(sizeof(kFencePrefix) - 1), entry.value));
                          fences.emplace(fence.node_id, fence);
                          return true;
                        });
  }));
  std::vector<NodeFence> list;
  for (auto& [node_id, fence] : fences) list.push_back(std::move(fence));
  return list;
}

StatusOr<NodeRecord> Nodes::Find(const VolumeHandle& volume, const std::string& node_id,
                                 const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client,
                         connections_.Client(volume.cluster, user));
  BERTH_ASSIGN_OR_RETURN(IoContext io, client->OpenPool(volume.pool, ""));
  BERTH_ASSIGN_OR_RETURN(
      const std::optional<std::string> value,
      MakeRadosOmapStore(client, std::move(io))->Get(kNodesObject, Key(node_id)));
  if (!value) {
    return absl::NotFoundError(
        fmt::format("node \"{}\" is not registered in pool \"{}\" of cluster \"{}\": is berth-node "
                    "running there?",
                    node_id, volume.pool, volume.cluster));
  }
  return Parse(node_id, *value);
}

}  // namespace berth
