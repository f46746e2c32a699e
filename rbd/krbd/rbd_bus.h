#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/krbd/mapping.h"

namespace berth {

// An image that Berth mapped, as sysfs knows it: all of it outlives the process that mapped it.
struct MappedDevice {
  Mapping mapping;
  std::string id;        // "0" of /dev/rbd0
  std::string instance;  // address of its client, e.g. "10.1.2.3:0/3702680080"
  std::string image_id;
  std::string path() const { return "/dev/rbd" + id; }
};

// The kernel's rbd, through sysfs. Thread-safe: the kernel decides.
class RbdBus {
 public:
  explicit RbdBus(std::string directory = "/sys/bus/rbd") : directory_(std::move(directory)) {}

  // Whether this node can map Berth's images: the module is there, knows the images' features, and
  // this process may use it and the kernel's keyring. FAILED_PRECONDITION saying what is missing.
  // Nothing is loaded: which modules a node has is its administrator's business.
  Status CheckUsable() const;

  // Maps by a line of MappingLine; the key must be in the calling thread's keyring (KernelKey).
  // Blocks until it is done. NOT_FOUND: no such image; PERMISSION_DENIED: wrong key or caps;
  // FAILED_PRECONDITION: the kernel cannot do this image's features or a given option;
  // DEADLINE_EXCEEDED: no monitor answers. On any error nothing is mapped.
  Status Map(const std::string& line) const;

  enum class Force {
    kNo,
    kYes,  // also while it is in use: its users get I/O errors from then on
  };
  // Ends what is in flight, drops the device, closes the client. FAILED_PRECONDITION while the
  // device is mounted or open; it stays as it was. OK when it is gone.
  Status Unmap(const MappedDevice& device, Force force) const;

  // What Berth mapped; empty too when the kernel has no rbd. Other programs' mappings are left out.
  StatusOr<std::vector<MappedDevice>> List() const;

 private:
  std::string Attribute(const std::string& id, const char* name) const;
  Status Write(const char* command, const std::string& line) const;
  bool UsesSingleMajor() const;

  std::string directory_;
};

}  // namespace berth
