#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/cluster_directory.h"
#include "rbd/fences.h"
#include "rbd/rados.h"
#include "rbd/registry.h"
#include "rbd/volume_handle.h"

namespace berth {

// A pool as the control side sees it. Shared by calls; lives until the last one is done, also when
// the cluster's key was rotated meanwhile.
struct Pool {
  std::shared_ptr<RadosClient> client;  // first, so that it goes last
  IoContext io;
  Registry registry;
  Fences fences;
};

// One control connection per cluster and user, made when first needed and made anew when ceph.conf
// or the keyring changed or the connection was fenced. Never used for an attached image.
// Thread-safe.
class Connections {
 public:
  Connections(ClusterDirectory clusters, std::chrono::seconds timeout)
      : clusters_(std::move(clusters)), timeout_(timeout) {}

  const ClusterDirectory& clusters() const { return clusters_; }

  // Errors as ClusterDirectory::Find, RadosClient::Connect and RadosClient::OpenPool. `user` comes
  // from a request's secrets; absent: the cluster's keyring. Blocks up to the timeout when it has
  // to connect.
  StatusOr<std::shared_ptr<Pool>> Open(const VolumeHandle& volume,
                                       const std::optional<CephUser>& user);

  // The control connection itself. Errors as ClusterDirectory::Find and RadosClient::Connect.
  StatusOr<std::shared_ptr<RadosClient>> Client(const std::string& alias,
                                                const std::optional<CephUser>& user);

  // The pools of cluster `alias` that are meant for RBD (application "rbd").
  StatusOr<std::vector<std::string>> ListPools(const std::string& alias);

  // Every RADOS namespace of those pools, the default one included, as handles without an image.
  StatusOr<std::vector<VolumeHandle>> ListNamespaces(const std::string& alias);

  // `visit` for each namespace, as above, of every cluster. A cluster that cannot be looked into is
  // reported (alias, why) and does not hide the others.
  void ForEachNamespace(const std::function<void(const VolumeHandle&)>& visit,
                        const std::function<void(const std::string&, const Status&)>& report);

  // Forgets the connections to `cluster`, so that the next call connects anew: after an operation
  // answered that this client is blocklisted.
  void Forget(const std::string& cluster);

 private:
  struct Connection {
    std::string revision;
    std::shared_ptr<RadosClient> client;
  };

  const ClusterDirectory clusters_;
  const std::chrono::seconds timeout_;
  Synchronized<std::map<std::string, Connection>> by_user_;  // "<alias>/<user id>"
  Synchronized<std::map<std::string, std::shared_ptr<Pool>>>
      pools_;  // "<client address>/<pool>/<namespace>"
};

}  // namespace berth
