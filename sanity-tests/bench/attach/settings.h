#pragma once

#include <string>
#include <vector>

namespace berth {

// What attach-bench is told on its command line.
struct AttachBenchSettings {
  std::string clusters;       // directory of cluster descriptions
  std::string admin_keyring;  // of client.admin, as whom rbd-fuse connects
  std::string pool = "rbd";
  std::string berth_data;  // path of the program
  std::string json_path;   // empty: none is written
  std::string jobs;        // only those whose name contains it
  int size_mib = 2048;
  int seconds = 10;
  int rounds = 3;
  std::vector<int> volume_counts = {1, 20, 100};
};

}  // namespace berth
