#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"

namespace berth {

// Which file a loop device is made of. A FUSE file system has a device number of its own, so these
// two say which volume it is.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};
StatusOr<FileIdentity> IdentifyFile(const Fd& file);

class NewLoopDevice;

// A loop device made of one file with direct I/O and 512-byte blocks. It holds no descriptor of the
// device: the device stays when this object or its process goes, until Detach.
class LoopDevice {
 public:
  // Takes a free loop device; when somebody else is faster it takes the next, until `deadline`.
  // RESOURCE_EXHAUSTED when there is none; FAILED_PRECONDITION saying what to do when
  // /dev/loop-control or the device's node is missing, or the file cannot do direct I/O. The caller
  // may close `file` afterwards.
  static StatusOr<NewLoopDevice> Attach(const Fd& file, bool read_only, absl::Time deadline);

  // One that another process attached; Detach makes sure that it is still made of this file.
  static LoopDevice Existing(std::string path, FileIdentity backing) {
    return LoopDevice(std::move(path), backing);
  }

  // "/dev/loop7"
  const std::string& path() const { return path_; }
  const FileIdentity& backing() const { return backing_; }

  // Whether the device is still made of this file; an error says nothing about it.
  StatusOr<bool> IsAttached() const;

  // Takes the file's size as it is now. True when it is another than before; false when it is not,
  // or the device is no longer made of this file.
  StatusOr<bool> TakeSize();

  // Lets the file go. OK too when the device is no longer made of this file: somebody else cleared
  // it, and what it is now is not ours to touch. FAILED_PRECONDITION when it is mounted or open
  // anywhere; it stays as it was.
  Status Detach();

 private:
  LoopDevice(std::string path, FileIdentity backing) : path_(std::move(path)), backing_(backing) {}
  StatusOr<bool> IsOurs(const Fd& device) const;

  std::string path_;
  FileIdentity backing_;
};

// A loop device that was just made. Until Keep the kernel clears it when this object goes, or its
// process: whoever dies before anybody else knows of the device leaves none.
class NewLoopDevice {
 public:
  NewLoopDevice(LoopDevice device, Fd open) : device_(std::move(device)), open_(std::move(open)) {}

  const LoopDevice& device() const { return device_; }

  // From now on it stays until LoopDevice::Detach. Waits until its I/O in flight is answered.
  // Errors: the kernel's; it goes with this object then.
  Status Keep();

 private:
  LoopDevice device_;
  Fd open_;
};

}  // namespace berth
