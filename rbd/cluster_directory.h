#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace berth {

// Who we are to a Ceph cluster. From the cluster's keyring file, or from the secrets of a request.
struct CephUser {
  std::string id;   // without "client."
  std::string key;  // secret: never logged, never on a command line
  bool operator==(const CephUser&) const = default;
};

// One cluster as the administrator describes it: a folder with an ordinary ceph.conf and a keyring.
struct ClusterConfig {
  std::string alias;
  std::string conf_path;
  CephUser user;
  // Changes when ceph.conf or the keyring changes: whoever caches a connection compares it.
  std::string revision;
};

// The directory given by --clusters: one folder per cluster, named by its alias. It is read anew by
// every call, so that rotated keys and changed monitors need no restart. Thread-safe, holds nothing
// open.
class ClusterDirectory {
 public:
  explicit ClusterDirectory(std::string path) : path_(std::move(path)) {}

  // The aliases, sorted. NOT_FOUND when the directory cannot be read.
  StatusOr<std::vector<std::string>> Aliases() const;

  // The cluster `alias`. NOT_FOUND naming the aliases that exist; FAILED_PRECONDITION naming the
  // file when ceph.conf or keyring is missing, unreadable, or the keyring holds no [client.…]
  // section with a key.
  StatusOr<ClusterConfig> Find(std::string_view alias) const;

  // The alias that a StorageClass without `cluster` means: the only one. INVALID_ARGUMENT naming
  // the aliases when there are several, NOT_FOUND when there is none.
  StatusOr<std::string> DefaultAlias() const;

 private:
  std::string path_;
};

// Why an alias cannot be used, or OK: 1 to 20 bytes of [a-z0-9-], beginning and ending with a
// letter or digit.
Status CheckAlias(std::string_view alias);

}  // namespace berth
