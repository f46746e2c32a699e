#pragma once

#include <google/protobuf/map.h>

#include <optional>
#include <string>

#include "base/status.h"
#include "rbd/cluster_directory.h"

namespace berth {

// The Ceph user that a request's secrets name: `userID` (without "client.") and `userKey`, as the
// Secret of the StorageClass holds them. Absent when neither is there: then the cluster's own
// keyring is used. INVALID_ARGUMENT when only one of them is there; the message never holds a
// value.
StatusOr<std::optional<CephUser>> UserFromSecrets(
    const google::protobuf::Map<std::string, std::string>& secrets);

}  // namespace berth
