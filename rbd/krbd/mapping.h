// What the kernel's rbd is told when an image is mapped, and what it tells of mapped images.
// Kernel: Documentation/ABI/testing/sysfs-bus-rbd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/volume_handle.h"

namespace berth {

// Where a cluster's monitors are, as the kernel takes it.
struct MonitorAddresses {
  std::vector<std::string> addresses;  // "10.1.2.3:3300"
  bool messenger_v2 = true;            // of the second protocol (Linux 5.11)
};

struct Mapping {
  VolumeHandle volume;
  uint64_t epoch = 0;  // of the writer claim
  bool read_only = false;
};

// The description of the key in the kernel's keyring, "berth/<cluster>/<epoch>". sysfs shows it for
// as long as the image is mapped, and so says whose the device is after everybody else forgot.
std::string MappingLabel(const Mapping& mapping);

// The line for /sys/bus/rbd/add*. It holds no secret, because sysfs shows it. `connect_timeout_s`:
// how long the kernel looks for a monitor. Always with `noshare`: a client of its own is what a
// fence cuts off. INVALID_ARGUMENT when a name holds what the line cannot carry.
StatusOr<std::string> MappingLine(const Mapping& mapping, const MonitorAddresses& monitors,
                                  const std::string& user_id, int64_t connect_timeout_s);

// The attributes of /sys/bus/rbd/devices/<id>.
struct MappingAttributes {
  std::string config_info;  // the line
  std::string pool;
  std::string pool_ns;
  std::string name;
};

// What was mapped; nullopt when it was not Berth that did.
std::optional<Mapping> ParseMapping(const MappingAttributes& attributes);

}  // namespace berth
