#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "rbd/attacher.h"
#include "rbd/connections.h"
#include "rbd/publishing.h"
#include "rbd/volumes.h"

namespace berth {

// A volume that exists for the measurement: created and published by the library that the
// controller runs, attached by berth-data, deleted at the end.
class BenchVolume {
 public:
  static constexpr char kNode[] = "bench-node";

  static StatusOr<BenchVolume> Create(Connections& connections, Attacher& attacher,
                                      const VolumeHandle& handle, uint64_t size_bytes);
  BenchVolume(BenchVolume&& other) noexcept;
  BenchVolume& operator=(BenchVolume&&) = delete;
  ~BenchVolume();

  const VolumeHandle& handle() const { return handle_; }
  // The device.
  StatusOr<std::string> Attach();
  Status Detach();

 private:
  BenchVolume(Connections& connections, Attacher& attacher, VolumeHandle handle)
      : connections_(&connections), attacher_(attacher), handle_(std::move(handle)) {}

  Connections* connections_;  // null when moved from
  Attacher& attacher_;
  VolumeHandle handle_;
};

}  // namespace berth
