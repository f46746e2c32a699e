#include "rbd/connections.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "rbd/image.h"
#include "rbd/rados_omap.h"

namespace berth {

StatusOr<std::shared_ptr<RadosClient>> Connections::Client(const std::string& alias,
                                                           const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(ClusterConfig config, clusters_.Find(alias));
  if (user) {
    config.user = *user;
    config.revision += fmt::format("-{:x}", std::hash<std::string>()(user->key));
  }
  const std::string name = alias + "/" + config.user.id;
  {
    const auto by_user = by_user_.Lock();
    const auto found = by_user->find(name);
    if (found != by_user->end() && found->second.revision == config.revision) {
      return found->second.client;
    }
  }
  // Not under the lock: an unreachable cluster must not hold up calls for the others. Two callers
  // may connect at once; the later one's connection stays.
  BERTH_ASSIGN_OR_RETURN(std::shared_ptr<RadosClient> client,
                         RadosClient::Connect(config, RadosClient::Purpose::kControl, timeout_));
  Forget(name);
  (*by_user_.Lock())[name] = {config.revision, client};
  return client;
}

StatusOr<std::shared_ptr<Pool>> Connections::Open(const VolumeHandle& volume,
                                                  const std::optional<CephUser>& user) {
  BERTH_ASSIGN_OR_RETURN(std::shared_ptr<RadosClient> client, Client(volume.cluster, user));
  const std::string name =
      fmt::format("{}/{}/{}", client->address(), volume.pool, volume.rados_namespace);
  {
    const auto pools = pools_.Lock();
    if (const auto found = pools->find(name); found != pools->end()) return found->second;
  }
  BERTH_ASSIGN_OR_RETURN(IoContext io, client->OpenPool(volume.pool, volume.rados_namespace));
  const auto store = [&]() -> StatusOr<std::unique_ptr<OmapStore>> {
    BERTH_ASSIGN_OR_RETURN(IoContext own, client->OpenPool(volume.pool, volume.rados_namespace));
    return MakeRadosOmapStore(client, std::move(own));
  };
  BERTH_ASSIGN_OR_RETURN(std::unique_ptr<OmapStore> registry, store());
  BERTH_ASSIGN_OR_RETURN(std::unique_ptr<OmapStore> fences, store());
  auto pool = std::make_shared<Pool>(
      Pool{client, std::move(io), Registry(std::move(registry)), Fences(std::move(fences))});
  (*pools_.Lock())[name] = pool;
  return pool;
}

StatusOr<std::vector<std::string>> Connections::ListPools(const std::string& alias) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client, Client(alias, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> all, client->PoolNames());
  std::vector<std::string> for_rbd;
  for (const std::string& name : all) {
    const StatusOr<IoContext> io = client->OpenPool(name, "");
    if (io.ok() && client->HasApplication(*io, "rbd")) for_rbd.push_back(name);
  }
  return for_rbd;
}

StatusOr<std::vector<VolumeHandle>> Connections::ListNamespaces(const std::string& alias) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<RadosClient> client, Client(alias, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> pools, ListPools(alias));
  std::vector<VolumeHandle> namespaces;
  for (const std::string& pool : pools) {
    namespaces.push_back({alias, pool, "", ""});
    const StatusOr<IoContext> io = client->OpenPool(pool, "");
    if (!io.ok()) continue;  // deleted meanwhile
    const StatusOr<std::vector<std::string>> names = ListRbdNamespaces(*io);
    if (absl::IsPermissionDenied(names.status())) continue;  // it holds no volumes of ours
    BERTH_RETURN_IF_ERROR(names.status());
    for (const std::string& name : *names) namespaces.push_back({alias, pool, name, ""});
  }
  return namespaces;
}

void Connections::ForEachNamespace(
    const std::function<void(const VolumeHandle&)>& visit,
    const std::function<void(const std::string&, const Status&)>& report) {
  const StatusOr<std::vector<std::string>> aliases = clusters_.Aliases();
  if (!aliases.ok()) return report("", aliases.status());
  for (const std::string& alias : *aliases) {
    const StatusOr<std::vector<VolumeHandle>> namespaces = ListNamespaces(alias);
    if (!namespaces.ok()) {
      report(alias, namespaces.status());
      continue;
    }
    for (const VolumeHandle& one : *namespaces) visit(one);
  }
}

void Connections::Forget(const std::string& cluster_or_user) {
  const auto matches = [&](const std::string& name) {
    return name == cluster_or_user || name.starts_with(cluster_or_user + "/");
  };
  std::vector<std::shared_ptr<RadosClient>> forgotten;
  {
    const auto by_user = by_user_.Lock();
    for (auto entry = by_user->begin(); entry != by_user->end();) {
      if (!matches(entry->first)) {
        ++entry;
        continue;
      }
      forgotten.push_back(entry->second.client);
      entry = by_user->erase(entry);
    }
  }
  const auto pools = pools_.Lock();
  for (const auto& client : forgotten) {
    std::erase_if(*pools, [&](const auto& entry) { return entry.second->client == client; });
  }
}

}  // namespace berth
