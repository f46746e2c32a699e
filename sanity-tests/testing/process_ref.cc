#include "sanity-tests/testing/process_ref.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"

namespace berth {

ProcessRef::ProcessRef(pid_t pid)
    : pid_(pid), pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

void ProcessRef::Signal(int signal) const {
  if (valid()) syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

bool ProcessRef::WaitForEnd(absl::Time deadline) const {
  if (!valid()) return true;
  do {
    const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd ended = {pidfd_.get(), POLLIN, 0};
    if (poll(&ended, 1, static_cast<int>(std::clamp<int64_t>(left_ms, 0, 60'000))) == 1)
      return true;
  } while (absl::Now() < deadline);
  return false;
}

uint64_t MountNamespaceOf(pid_t pid) {
  struct stat entry = {};
  return stat(fmt::format("/proc/{}/ns/mnt", pid).c_str(), &entry) == 0 ? entry.st_ino : 0;
}

std::vector<ProcessRef> ProcessesInMountNamespace(uint64_t mount_namespace) {
  std::vector<ProcessRef> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    ProcessRef process(pid);
    if (process.valid() && MountNamespaceOf(pid) == mount_namespace) {
      found.push_back(std::move(process));
    }
  }
  return found;
}

std::string CommandName(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace berth
