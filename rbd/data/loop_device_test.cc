#include "rbd/data/loop_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"

namespace berth {
namespace {

// Needs root and the kernel's loop driver, as berth-data does.
class LoopDeviceTest : public ::testing::Test {
 protected:
  ~LoopDeviceTest() override {
    if (device_) ClearByHand(device_->path());
  }

  Fd MakeFile() {
    std::string name = std::filesystem::temp_directory_path() / "berth-loop-test-XXXXXX";
    Fd file(mkostemp(name.data(), O_CLOEXEC));
    EXPECT_TRUE(file.valid());
    EXPECT_EQ(unlink(name.c_str()), 0);
    EXPECT_EQ(ftruncate(file.get(), 1 << 20), 0);
    return file;
  }
  static NewLoopDevice MakeDevice(const Fd& file, bool read_only = false) {
    StatusOr<NewLoopDevice> device =
        LoopDevice::Attach(file, read_only, absl::Now() + absl::Seconds(10));
    EXPECT_TRUE(device.ok()) << device.status();
    return *std::move(device);
  }
  LoopDevice& AttachFile(const Fd& file, bool read_only = false) {
    NewLoopDevice device = MakeDevice(file, read_only);
    EXPECT_TRUE(device.Keep().ok());
    device_ = device.device();
    return *device_;
  }
  static std::optional<loop_info64> Info(const std::string& path) {
    const Fd device(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info = {};
    if (ioctl(device.get(), LOOP_GET_STATUS64, &info) != 0) return std::nullopt;
    return info;
  }
  static void ClearByHand(const std::string& path) {
    const Fd device(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ioctl(device.get(), LOOP_CLR_FD);
  }

  std::optional<LoopDevice> device_;
};

TEST_F(LoopDeviceTest, IsTheFileWithDirectIo) {
  const Fd file = MakeFile();
  const LoopDevice& device = AttachFile(file);
  const auto info = Info(device.path());
  ASSERT_TRUE(info.has_value());
  EXPECT_TRUE(info->lo_flags & LO_FLAGS_DIRECT_IO);
  EXPECT_FALSE(info->lo_flags & (LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR));
  EXPECT_EQ(device.backing(), *IdentifyFile(file));
  EXPECT_EQ(info->lo_inode, device.backing().inode);
  ASSERT_TRUE(device_->Detach().ok());
  EXPECT_FALSE(Info(device.path()).has_value());
  EXPECT_TRUE(device_->Detach().ok()) << "what is gone is detached";
}

TEST_F(LoopDeviceTest, ReadOnlyWhenAsked) {
  const Fd file = MakeFile();
  EXPECT_TRUE(Info(AttachFile(file, true).path())->lo_flags & LO_FLAGS_READ_ONLY);
}

TEST_F(LoopDeviceTest, InUseStaysAsItWas) {
  const Fd file = MakeFile();
  LoopDevice& device = AttachFile(file);
  for (const int flags : {O_RDWR, O_RDWR | O_EXCL}) {
    const Fd user(open(device.path().c_str(), flags | O_CLOEXEC));
    ASSERT_TRUE(user.valid());
    EXPECT_EQ(device.Detach().code(), absl::StatusCode::kFailedPrecondition);
    const auto info = Info(device.path());
    ASSERT_TRUE(info.has_value());
    EXPECT_FALSE(info->lo_flags & LO_FLAGS_AUTOCLEAR) << "it would vanish with its user";
  }
  EXPECT_TRUE(Info(device.path()).has_value());
  EXPECT_TRUE(device.Detach().ok());
}

TEST_F(LoopDeviceTest, ADeviceThatBecameSomebodyElsesIsLeftAlone) {
  const Fd file = MakeFile();
  LoopDevice& device = AttachFile(file);
  ClearByHand(device.path());
  const Fd other = MakeFile();
  {
    const Fd reused(open(device.path().c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(ioctl(reused.get(), LOOP_SET_FD, other.get()), 0);
  }
  EXPECT_TRUE(device.Detach().ok());
  const auto info = Info(device.path());
  ASSERT_TRUE(info.has_value()) << "a device that is not ours was cleared";
  EXPECT_EQ(info->lo_inode, IdentifyFile(other)->inode);
}

TEST_F(LoopDeviceTest, TakesTheSizeOfItsFile) {
  const Fd file = MakeFile();
  LoopDevice& device = AttachFile(file);
  ASSERT_EQ(ftruncate(file.get(), 2 << 20), 0);
  EXPECT_TRUE(*device.TakeSize());
  EXPECT_FALSE(*device.TakeSize()) << "it has it already";
  const Fd opened(open(device.path().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(lseek(opened.get(), 0, SEEK_END), 2 << 20);
}

TEST_F(LoopDeviceTest, SeveralAtOnceEachGetTheirOwn) {
  const Fd first_file = MakeFile();
  const Fd second_file = MakeFile();
  const LoopDevice first = AttachFile(first_file);
  const NewLoopDevice second = MakeDevice(second_file);
  EXPECT_NE(first.path(), second.device().path());
}

TEST_F(LoopDeviceTest, GoesWithWhoMadeItUntilItIsKept) {
  const Fd file = MakeFile();
  std::string path;
  {
    const NewLoopDevice device = MakeDevice(file);
    path = device.device().path();
    ASSERT_TRUE(*device.device().IsAttached());
  }
  EXPECT_FALSE(Info(path).has_value()) << "nobody is left who could take it away";
  {
    NewLoopDevice device = MakeDevice(file);
    device_ = device.device();
    ASSERT_TRUE(device.Keep().ok());
  }
  EXPECT_TRUE(*device_->IsAttached());
}

}  // namespace
}  // namespace berth
