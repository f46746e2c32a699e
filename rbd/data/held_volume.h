#pragma once

#include <vector>

#include "base/fd.h"
#include "held_volume.pb.h"

namespace berth {

// What keeps a volume's I/O process supervised (IoSupervisor) and a volume attached
// (AttachedVolume), in a form that can be given to another process: held_volume.proto says in which
// order the descriptors come. Whoever holds the descriptors keeps the FUSE connection alive.
struct HeldIo {
  data::held::v1::Io state;
  std::vector<Fd> descriptors;
};

struct HeldVolume {
  data::held::v1::Volume state;
  std::vector<Fd> descriptors;
};

}  // namespace berth
