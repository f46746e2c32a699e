#include "remains.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "rbd/image.h"
#include "sanity-tests/testing/loop_remains.h"

namespace berth {
namespace {

constexpr size_t kMostImages = 1000;
constexpr int kLooks = 3;
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(100);

void AddImages(const IoContext& io, std::vector<std::string>& remains) {
  std::vector<rbd_image_spec_t> images(kMostImages);
  size_t count = images.size();
  if (const int result = rbd_list2(io.get(), images.data(), &count); result < 0) {
    remains.push_back(fmt::format("images that cannot be listed: {}", result));
    return;
  }
  for (size_t i = 0; i < count; ++i) remains.push_back(fmt::format("image {}", images[i].name));
  rbd_image_spec_list_cleanup(images.data(), count);
}

void AddTrash(const IoContext& io, std::vector<std::string>& remains) {
  std::vector<rbd_trash_image_info_t> images(kMostImages);
  size_t count = images.size();
  if (const int result = rbd_trash_list(io.get(), images.data(), &count); result < 0) {
    remains.push_back(fmt::format("trash that cannot be listed: {}", result));
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    remains.push_back(fmt::format("in the trash, {}", images[i].name));
  }
  rbd_trash_list_cleanup(images.data(), count);
}

void AddMounts(const std::string& directory, std::vector<std::string>& remains) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(directory) != std::string::npos) remains.push_back("mount " + line);
  }
}

void AddFiles(const std::string& directory, const std::string& suffix,
              std::vector<std::string>& remains) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string path = entry.path();
    if (path.ends_with(suffix)) remains.push_back("file " + path);
  }
}

std::set<unsigned> HeldConnections() {
  std::set<unsigned> held;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    held.merge(FuseConnectionsOf(ProcessRef(pid)));
  }
  return held;
}

}  // namespace

StatusOr<std::vector<std::string>> RemainsInCeph(World& world) {
  std::vector<std::string> remains;
  BERTH_ASSIGN_OR_RETURN(
      const auto pool,
      world.connections().Open({"lab", "rbd", world.places().rados_namespace, "x"}, {}));
  BERTH_RETURN_IF_ERROR(pool->registry.ForEach(
      [&](const VolumeRecord& record) {
        remains.push_back("record of " + record.image);
        return true;
      },
      [&](const std::string& image, const Status& why) {
        remains.push_back(fmt::format("record of {}: {}", image, std::string(why.message())));
      }));
  BERTH_ASSIGN_OR_RETURN(const auto trash, pool->registry.ListTrash());
  for (const TrashRecord& record : trash) remains.push_back("trash record " + record.image_id);
  BERTH_ASSIGN_OR_RETURN(const auto fences, pool->fences.List());
  for (const FenceRecord& fence : fences) {
    remains.push_back(fmt::format("fence of {} on {}", fence.instance, fence.image));
  }
  AddImages(pool->io, remains);
  AddTrash(pool->io, remains);
  return remains;
}

std::vector<std::string> RemainsOnNode(const World& world) {
  std::vector<std::string> remains;
  AddMounts(world.places().work, remains);
  AddFiles(world.state_directory(), "", remains);
  AddFiles(world.places().work + "/kubelet", ".target", remains);
  const std::vector<ProcessRef> processes = world.Processes();
  for (const ProcessRef& process : processes) {
    const std::string name = CommandName(process.pid());
    if (name == "berth-data-io") {
      remains.push_back(fmt::format("I/O process {}", process.pid()));
    }
    for (const unsigned connection : FuseConnectionsOf(process)) {
      remains.push_back(fmt::format("FUSE connection {}, held by {}", connection, name));
    }
  }
  return remains;
}

std::vector<std::string> DetachOrphanedLoopDevices() {
  // The number of a connection is not given to another one while a device is made of it.
  std::set<unsigned> orphans = ConnectionsOfLoopDevices();
  for (int look = 0; look < kLooks && !orphans.empty(); ++look) {
    if (look > 0) absl::SleepFor(kBetweenLooks);
    const std::set<unsigned> held = HeldConnections();
    const std::set<unsigned> there = ConnectionsOfLoopDevices();
    std::erase_if(orphans, [&](unsigned connection) {
      return held.contains(connection) || !there.contains(connection);
    });
  }
  std::vector<std::string> names;
  for (const unsigned connection : orphans) {
    names.push_back(fmt::format("a loop device of FUSE connection {}", connection));
  }
  DetachLoopDevicesOf(orphans);
  return names;
}

}  // namespace berth
