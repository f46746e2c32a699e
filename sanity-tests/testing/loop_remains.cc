#include "sanity-tests/testing/loop_remains.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <system_error>

#include "base/fd.h"

namespace berth {
namespace {

constexpr char kOwner[] = "berth";  // as the attacher names its loop devices

// Every loop device of Berth, and the connection that it is made of.
void ForEachLoopDevice(const std::function<void(const Fd&, unsigned)>& visit) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("loop")) continue;
    const Fd device(open(fmt::format("/dev/{}", name).c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info = {};
    if (!device.valid() || ioctl(device.get(), LOOP_GET_STATUS64, &info) != 0) continue;
    const auto* owner = reinterpret_cast<const char*>(info.lo_file_name);
    if (std::strcmp(owner, kOwner) != 0 || major(info.lo_device) != 0) continue;
    visit(device, minor(info.lo_device));
  }
}

}  // namespace

std::set<unsigned> FuseConnectionsOf(const ProcessRef& process) {
  std::set<unsigned> connections;
  std::error_code error;
  const std::string directory = fmt::format("/proc/{}/fdinfo", process.pid());
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::ifstream file(entry.path());
    for (std::string word; file >> word;) {
      unsigned connection = 0;
      if (word == "fuse_connection:" && file >> connection) connections.insert(connection);
    }
  }
  return connections;
}

std::set<unsigned> FuseConnectionsOf(const std::vector<ProcessRef>& processes) {
  std::set<unsigned> connections;
  for (const ProcessRef& process : processes) connections.merge(FuseConnectionsOf(process));
  return connections;
}

std::set<unsigned> ConnectionsOfLoopDevices() {
  std::set<unsigned> connections;
  ForEachLoopDevice([&](const Fd&, unsigned connection) { connections.insert(connection); });
  return connections;
}

void DetachLoopDevicesOf(const std::set<unsigned>& fuse_connections) {
  ForEachLoopDevice([&](const Fd& device, unsigned connection) {
    if (fuse_connections.contains(connection)) ioctl(device.get(), LOOP_CLR_FD);
  });
}

}  // namespace berth
