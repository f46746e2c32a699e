#pragma once

#include <cstdint>
#include <string>

namespace berth {

// The writer: a pod's program, so to speak. It takes a picture of all slots, says that it is ready,
// and then stamps slots with several O_DIRECT writes in flight, reading back now and then, and with
// a fdatasync now and then, until it is told to end by SIGTERM or something fails. What it does is
// in its history, which lies outside the volume.
struct WriterOptions {
  std::string path;      // the block device, or the directory where the volume is mounted
  bool mounted = false;  // `path` is a directory
  uint64_t epoch = 0;    // of the writer claim
  std::string node;      // where it runs
  std::string history;   // path of a file that is not there yet
  int ready_fd = -1;     // gets one byte when the picture is in the history
  uint64_t seed = 0;     // of its choices
};

// Until it ends; an exit code, 0 when it was told to and everything was synced.
int RunWriter(const WriterOptions& options);

}  // namespace berth
