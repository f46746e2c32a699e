#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "rbd/volume_handle.h"

namespace berth {

// "<data socket>.instances", where the I/O processes of this node put their instance files.
std::string InstanceFilesPath(const std::string& data_socket);

// Says which client instance a process is, and is locked (flock) as long as the process lives. So
// whoever finds it unlocked knows that the process is gone, whatever else died with it: the kernel
// gives the lock back, and nobody else.
class InstanceFile {
 public:
  // Makes the file, and `directory` where that is missing. Errors: the file system's.
  static StatusOr<InstanceFile> Make(const std::string& directory, const std::string& instance,
                                     const VolumeHandle& volume);

 private:
  explicit InstanceFile(Fd file) : file_(std::move(file)) {}
  Fd file_;  // the lock ends with it; the file stays, to be found
};

// A client instance of this node whose process is gone.
struct GoneInstance {
  std::string instance;
  VolumeHandle volume;  // what it had open, or was about to open
  std::string path;     // of its file: to be removed when nothing is left to be told about it
};

// The instances in `directory` whose processes are gone; none where the directory is missing. Files
// that say nothing, because their process died at once, are removed. Errors: the file system's.
StatusOr<std::vector<GoneInstance>> FindGoneInstances(const std::string& directory);

}  // namespace berth
