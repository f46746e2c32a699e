#pragma once

#include <sys/types.h>

#include <vector>

namespace berth {

// What processes take of the machine, from /proc.
struct ProcessUsage {
  double resident_mib = 0;  // proportional share (PSS): shared libraries are not counted twice
  double private_mib = 0;   // what would be free if it ended
  int threads = 0;
  int sockets = 0;
};

// The sum over `pids`; what has ended counts nothing.
ProcessUsage UsageOf(const std::vector<pid_t>& pids);

// The children of `pid`.
std::vector<pid_t> ChildrenOf(pid_t pid);

}  // namespace berth
