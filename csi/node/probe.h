// What is on a device, by libblkid. Only Blank may be formatted; everything that is not known for
// certain to be blank is something else.
#pragma once

#include <string>
#include <variant>

#include "base/status.h"

namespace berth {

// libblkid recognises nothing, and the first and the last MiB read as zeros.
struct Blank {};

struct FileSystem {
  std::string type;  // "ext4"
  std::string uuid;
};

// Something else that libblkid knows: a partition table, an LVM or RAID member, an encrypted
// device, several at once.
struct OtherContent {
  std::string what;  // "a partition table (gpt)"
};

// Bytes that are not zero and that libblkid does not know: raw data of an application, or a file
// system cut off while it was made.
struct UnknownData {};

// The device could not be read, so nothing is known about it.
struct Unreadable {
  Status error;
};

using DeviceContent = std::variant<Blank, FileSystem, OtherContent, UnknownData, Unreadable>;

// Reads `device`, by its own descriptor; blocks as long as the device does. Thread-safe.
DeviceContent ProbeDevice(const std::string& device);

}  // namespace berth
