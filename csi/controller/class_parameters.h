#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"

namespace berth {

// What a StorageClass says. `pool` alone is needed where one cluster is described.
//
//   cluster         alias of the cluster; absent: the only one
//   pool            RBD pool, needed
//   radosNamespace  RADOS namespace inside the pool; absent: the default one
//   trashRetention  how long a deleted image stays in the trash, as 90s, 30m, 24h or 7d; absent:
//   purged at once
struct ClassParameters {
  std::string cluster;
  std::string pool;
  std::string rados_namespace;
  int64_t trash_retention_s = 0;
  // Names of the claim and volume that the provisioner adds (csi.storage.k8s.io/pvc/name and the
  // like), kept for people who look at the registry.
  std::map<std::string, std::string> owner;

  // The parameters that decide what is made, in one line: equal for equal requests.
  std::string InWords() const;
};

// Reads CreateVolume's parameters. INVALID_ARGUMENT, naming the parameter and its value, for one
// that is missing, unknown or wrong. `cluster` stays empty when absent.
StatusOr<ClassParameters> ParseClassParameters(
    const std::map<std::string, std::string>& parameters);

}  // namespace berth
