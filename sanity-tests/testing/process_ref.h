#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"

namespace berth {

// A process that somebody else started, held by a pidfd: never a later one that got its number.
class ProcessRef {
 public:
  // Invalid when the process has ended.
  explicit ProcessRef(pid_t pid);
  bool valid() const { return pidfd_.valid(); }
  pid_t pid() const { return pid_; }
  // Of an ended process: nothing happens.
  void Signal(int signal) const;
  // False when it still runs at `deadline`.
  bool WaitForEnd(absl::Time deadline) const;

 private:
  pid_t pid_;
  Fd pidfd_;
};

// What `stat` says of namespace file /proc/<pid>/ns/mnt; 0 when the process has ended.
uint64_t MountNamespaceOf(pid_t pid);
std::vector<ProcessRef> ProcessesInMountNamespace(uint64_t mount_namespace);
// As /proc/<pid>/comm has it.
std::string CommandName(pid_t pid);

}  // namespace berth
