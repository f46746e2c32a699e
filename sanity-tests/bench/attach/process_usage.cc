#include "sanity-tests/bench/attach/process_usage.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace berth {
namespace {

namespace fs = std::filesystem;

void AddMemory(pid_t pid, ProcessUsage& usage) {
  std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string line; std::getline(rollup, line);) {
    const double mib = std::atof(line.substr(line.find(':') + 1).c_str()) / 1024;
    if (line.starts_with("Pss:")) usage.resident_mib += mib;
    if (line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:")) {
      usage.private_mib += mib;
    }
  }
}

int CountSockets(pid_t pid) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    if (fs::read_symlink(entry, error).string().starts_with("socket:")) ++count;
  }
  return count;
}

int CountThreads(pid_t pid) {
  int count = 0;
  std::error_code error;
  for (auto it = fs::directory_iterator(fmt::format("/proc/{}/task", pid), error);
       it != fs::directory_iterator(); it.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

ProcessUsage UsageOf(const std::vector<pid_t>& pids) {
  ProcessUsage usage;
  for (const pid_t pid : pids) {
    AddMemory(pid, usage);
    usage.threads += CountThreads(pid);
    usage.sockets += CountSockets(pid);
  }
  return usage;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::ifstream list(task.path() / "children");
    for (pid_t child; list >> child;) children.push_back(child);
  }
  return children;
}

}  // namespace berth
