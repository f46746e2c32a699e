#include "rbd/nodes.h"

#include <spdlog/fmt/fmt.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "rbd/rados_omap.h"

namespace berth {
namespace {

using nlohmann::json;

constexpr char kNodesObject[] = "berth.nodes";
constexpr int kVersion = 1;
constexpr int kMaxAttempts = 8;

std::string Key(const std::string& node_id) { return "n/" + node_id; }

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

// Last registration wins, so the compare-and-set only has to see what it replaces.
Status Put(OmapStore& store, const NodeRecord& node) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> before,
                           store.Get(kNodesObject, Key(node.node_id)));
    Status status = store.Update(kNodesObject, {{Key(node.node_id), before, ToJson(node)}});
    if (status.code() != absl::StatusCode::kAborted) return status;
  }
  return absl::AbortedError(
      fmt::format("several programs register as node \"{}\" at once", node.node_id));
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
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client,
                         connections_.Client(alias, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> pools, connections_.ListPools(alias));
  Status failed;
  for (const std::string& name : pools) {
    StatusOr<IoContext> io = client->OpenPool(name, "");
    if (!io.ok()) continue;  // deleted meanwhile
    const Status status = Put(*MakeRadosOmapStore(client, *std::move(io)), node);
    // A pool that this user may not write to holds no volumes of ours.
    if (!status.ok() && status.code() != absl::StatusCode::kPermissionDenied) failed = status;
  }
  return failed;
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
