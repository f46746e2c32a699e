#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/rados.h"

namespace berth {

// What can be known of the images of a pool and RADOS namespace without opening one. Each call
// blocks up to the client's timeout per operation; PERMISSION_DENIED when the pool may not be read.

struct ImageName {
  std::string name;  // in the trash: the name that it had
  std::string id;
};

// The images, and those in RBD's trash, in no order.
StatusOr<std::vector<ImageName>> ListImages(const IoContext& io);
StatusOr<std::vector<ImageName>> ListTrashedImages(const IoContext& io);

// What the header object of an image holds; it is there from the end of the image's creation until
// it is purged, also in the trash and under another name.
struct ImageHeader {
  bool exists = false;
  size_t snapshots = 0;     // those in RBD's own trash of snapshots included; at most 1000
  bool has_clones = false;  // v2 clones that are not flattened
};
StatusOr<ImageHeader> ReadImageHeader(const IoContext& io, const std::string& id);

}  // namespace berth
