#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "rbd/krbd/mapping.h"
#include "rbd/rados.h"

namespace berth {

// The monitors of the newest map (`ceph mon dump`). Blocks up to the client's timeout.
StatusOr<MonitorAddresses> ReadMonitors(const RadosClient& client);

// The answer's JSON. DATA_LOSS when it is not what Ceph 16 and later answer; NOT_FOUND when the
// monitors have no address that the kernel could use.
StatusOr<MonitorAddresses> ParseMonitors(std::string_view json);

}  // namespace berth
