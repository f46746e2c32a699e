#pragma once

#include <string>
#include <vector>

#include "world.h"

namespace berth {

// What Ceph still has of any volume of the world: records, fences, images, trash; one line each.
StatusOr<std::vector<std::string>> RemainsInCeph(World& world);

// What the node still has: mounts, stage records, target paths, I/O processes, FUSE connections.
std::vector<std::string> RemainsOnNode(const World& world);

// Loop devices of Berth that no process on this machine serves any more; whoever sees one detaches
// it. Worlds may be at work meanwhile: a device that changes hands is looked at again.
std::vector<std::string> DetachOrphanedLoopDevices();

}  // namespace berth
