#pragma once

#include <set>
#include <vector>

#include "sanity-tests/testing/process_ref.h"

namespace berth {

// All simulated nodes share one kernel, and a loop device outlives the processes that a crash ends,
// as no real one would. These are told apart by the FUSE connection that they are made of, which is
// the node's own.

// The connections whose /dev/fuse descriptors a process, or each of `processes`, holds.
std::set<unsigned> FuseConnectionsOf(const ProcessRef& process);
std::set<unsigned> FuseConnectionsOf(const std::vector<ProcessRef>& processes);

// The connections that loop devices of Berth are made of, on the whole machine.
std::set<unsigned> ConnectionsOfLoopDevices();

// Detaches every loop device of Berth that is made of a file of one of these connections.
void DetachLoopDevicesOf(const std::set<unsigned>& fuse_connections);

}  // namespace berth
