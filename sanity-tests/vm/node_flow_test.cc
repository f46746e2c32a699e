// A volume's way on one node, by the real programs and a real kernel: staged, written, grown,
// fenced, healed. In a virtual machine, where both mounters can work.
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <rbd/librbd.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "rbd/connections.h"
#include "rbd/image.h"
#include "sanity-tests/vm/csi_node.h"
#include "sanity-tests/vm/files.h"

namespace berth {
namespace {

constexpr int64_t kBytes = 64 << 20;

class NodeFlowTest : public testing::TestWithParam<std::string> {
 protected:
  NodeFlowTest() : node_("/run/berth-" + GetParam(), GetParam()) {}

  // How an application gets its volume, and how it goes.
  void BringUp() {
    const auto context = node_.ControllerPublish(volume_);
    ASSERT_TRUE(context.ok()) << context.status();
    Status status = node_.Stage(volume_, *context);
    ASSERT_TRUE(status.ok()) << status;
    status = node_.NodePublish(volume_, *context);
    ASSERT_TRUE(status.ok()) << status;
  }
  void TakeDown() {
    Status status = node_.NodeUnpublish(volume_);
    EXPECT_TRUE(status.ok()) << status;
    status = node_.Unstage(volume_);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(node_.StagedDevice(), "");
  }
  void CreateVolume() {
    const auto created = node_.CreateVolume("vm-flow-" + GetParam(), kBytes);
    ASSERT_TRUE(created.ok()) << created.status();
    volume_ = *created;
  }
  void DeleteVolume() {
    Status status = node_.ControllerUnpublish(volume_);
    EXPECT_TRUE(status.ok()) << status;
    status = node_.DeleteVolume(volume_);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::string File() const { return node_.target_path() + "/file"; }

  // 0 or an errno, and an error too when no answer comes.
  int WriteWithin(std::chrono::seconds limit, const std::string& text) {
    std::promise<int> outcome;
    std::future<int> answer = outcome.get_future();
    std::thread([promise = std::move(outcome), file = File(), text]() mutable {
      promise.set_value(WriteSynced(file, text));
    }).detach();
    return answer.wait_for(limit) == std::future_status::ready ? answer.get() : ETIMEDOUT;
  }

  CsiNode node_;
  std::string volume_;
};

uint64_t DeviceBytes(const std::string& device) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  uint64_t bytes = 0;
  EXPECT_EQ(ioctl(fd.get(), BLKGETSIZE64, &bytes), 0);
  return bytes;
}

TEST_P(NodeFlowTest, FencedWithErrorsAndHealed) {
  CreateVolume();
  BringUp();
  EXPECT_TRUE(node_.StagedDevice().starts_with(GetParam() == "fuse" ? "/dev/loop" : "/dev/rbd"))
      << node_.StagedDevice();
  ASSERT_EQ(WriteSynced(File(), "before"), 0);
  ASSERT_TRUE(node_.ControllerUnpublish(volume_).ok());  // not closed: it is fenced
  const absl::Time fenced = absl::Now();
  int error = 0;
  while (error == 0) error = WriteWithin(std::chrono::seconds(30), "after");
  EXPECT_NE(error, ETIMEDOUT) << "an error, and not silence";
  std::printf("%s: error %d %ld ms after the fence\n", GetParam().c_str(), error,
              static_cast<long>(absl::ToInt64Milliseconds(absl::Now() - fenced)));
  TakeDown();
  std::printf("%s: unstaged %ld ms after the fence\n", GetParam().c_str(),
              static_cast<long>(absl::ToInt64Milliseconds(absl::Now() - fenced)));
  BringUp();
  EXPECT_EQ(ReadAll(File()), "before");
  EXPECT_EQ(WriteSynced(File(), "healed"), 0);
  TakeDown();
  DeleteVolume();
}

// What nobody serves any more answers errors at most, and is cleaned up by whoever comes next. The
// kernel's rbd serves on.
TEST_P(NodeFlowTest, ANodeWhoseProgramsAllDied) {
  CreateVolume();
  BringUp();
  ASSERT_EQ(WriteSynced(File(), "before"), 0);
  node_.LoseEverything();
  EXPECT_EQ(WriteWithin(std::chrono::seconds(30), "after"), GetParam() == "fuse" ? EIO : 0);
  TakeDown();
  Status status = node_.ControllerUnpublish(volume_);
  EXPECT_TRUE(status.ok()) << status;
  BringUp();
  EXPECT_EQ(ReadAll(File()), GetParam() == "fuse" ? "before" : "after");
  TakeDown();
  DeleteVolume();
}

// The device follows the image; the file system is grown by whoever asked for that.
TEST_P(NodeFlowTest, GrowsWhileMounted) {
  CreateVolume();
  BringUp();
  ASSERT_EQ(WriteSynced(File(), "small"), 0);
  Connections connections(ClusterDirectory(std::getenv("BERTH_CLUSTERS")),
                          std::chrono::seconds(20));
  const VolumeHandle handle = *ParseVolumeHandle(volume_);
  const auto pool = connections.Open(handle, {});
  ASSERT_TRUE(pool.ok()) << pool.status();
  {
    Image image = *Image::Open((*pool)->io, handle.image, Image::Mode::kReadWrite);
    ASSERT_EQ(rbd_resize(image.get(), 2 * kBytes), 0);
  }
  const std::string device = node_.StagedDevice();
  for (const absl::Time deadline = absl::Now() + absl::Seconds(30);
       DeviceBytes(device) < 2 * kBytes && absl::Now() < deadline;) {
  }
  EXPECT_EQ(DeviceBytes(device), 2 * kBytes);
  const auto grown = RunProcess({"resize2fs", device}, absl::Now() + absl::Seconds(60));
  ASSERT_TRUE(grown.ok()) << grown.status();
  EXPECT_EQ(grown->exit_code, 0) << grown->output;
  struct statvfs statistics = {};
  ASSERT_EQ(statvfs(node_.target_path().c_str(), &statistics), 0);
  EXPECT_GT(statistics.f_blocks * statistics.f_frsize, static_cast<uint64_t>(kBytes));
  EXPECT_EQ(ReadAll(File()), "small");
  TakeDown();
  DeleteVolume();
}

INSTANTIATE_TEST_SUITE_P(Mounters, NodeFlowTest, testing::Values("auto", "fuse"),
                         [](const auto& mounter) { return mounter.param; });

}  // namespace
}  // namespace berth
