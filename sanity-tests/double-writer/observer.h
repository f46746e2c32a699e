#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "rbd/image.h"
#include "rbd/rados.h"
#include "rbd/volume_handle.h"
#include "stamp.h"

namespace berth {

// Looks at a volume's image as a client of its own that writes nothing and takes no lock. It has
// the newest OSD map before it reads, so an OSD that answers it knows every fence that was
// acknowledged before: what a fenced client has not written to a block by then, it never can.
class Observer {
 public:
  static StatusOr<Observer> Connect(const std::string& clusters, const VolumeHandle& volume);

  // The blocks at `offsets` (bytes), one by slot. Waits as long as Ceph does not answer.
  StatusOr<Picture> Observe(const std::vector<uint64_t>& offsets) const;

 private:
  Observer(std::unique_ptr<RadosClient> client, IoContext io, Image image)
      : client_(std::move(client)), io_(std::move(io)), image_(std::move(image)) {}
  std::unique_ptr<RadosClient> client_;
  IoContext io_;
  Image image_;  // stays open: the shorter a picture takes, the more it shows
};

}  // namespace berth
