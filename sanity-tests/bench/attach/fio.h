#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace berth {

// One measurement: what fio does, whichever way it reaches the image.
struct FioJob {
  std::string name;       // "randread qd1"
  std::string operation;  // fio's rw=
  int depth = 1;          // fio's iodepth=
};

// Where the image is: a block device or a file, or Ceph itself through fio's own rbd engine.
struct FioTarget {
  std::string path;  // "/dev/loop3"; empty: the rbd engine with what follows
  std::string conf_path;
  std::string keyring_path;
  std::string user;  // without "client."
  std::string pool;
  std::string image;
};

// Runs `job` with 4 KiB blocks for `seconds` and returns its operations per second. INTERNAL with
// fio's own words when it fails or reports an I/O error. `output_path` is overwritten.
StatusOr<double> RunFio(const FioJob& job, const FioTarget& target, int seconds,
                        const std::string& output_path);

// Writes every block of the image once.
Status FillWithFio(const FioTarget& target, const std::string& output_path);

}  // namespace berth
