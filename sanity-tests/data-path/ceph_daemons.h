#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace berth {

// The lab's Ceph, for tests that make it fail. Each call runs a program and blocks until it has
// done.

// `name`: ceph-mon or ceph-osd.
Status KillCephDaemon(const std::string& name);
Status StartCephDaemon(const std::string& name);

// How much the pool may hold; 0: without limit.
Status SetPoolQuota(const std::string& pool, uint64_t bytes);
// Whether the monitors have told everybody that the pool is full.
StatusOr<bool> IsPoolFull(const std::string& pool);

// `ceph` with these arguments, as the lab's administrator; what it printed.
StatusOr<std::string> RunCeph(const std::vector<std::string>& arguments);

}  // namespace berth
