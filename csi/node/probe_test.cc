#include "csi/node/probe.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/process.h"
#include "rbd/data/loop_device.h"

namespace berth {
namespace {

using ::testing::HasSubstr;

constexpr off_t kBytes = 16 << 20;

// A 16 MiB file that each test fills, probed through a real loop device.
class ProbeTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "berth-probe-XXXXXX";
    file_ = Fd(mkostemp(path_.data(), O_CLOEXEC));
    ASSERT_TRUE(file_.valid());
    ASSERT_EQ(ftruncate(file_.get(), kBytes), 0);
  }
  void TearDown() override { unlink(path_.c_str()); }

  void Put(off_t offset, const std::string& bytes) {
    ASSERT_EQ(pwrite(file_.get(), bytes.data(), bytes.size(), offset),
              static_cast<ssize_t>(bytes.size()));
  }
  void RunOnFile(std::vector<std::string> argv) {
    argv.push_back(path_);
    const StatusOr<ProcessResult> result = RunProcess(argv, absl::InfiniteFuture());
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->exit_code, 0) << result->output;
  }
  DeviceContent Probe() {
    const StatusOr<NewLoopDevice> device =
        LoopDevice::Attach(file_, false, absl::Now() + absl::Seconds(10));
    if (!device.ok()) return Unreadable{device.status()};
    return ProbeDevice(device->device().path());
  }
  std::string ProbeOther() {
    const DeviceContent content = Probe();
    const auto* other = std::get_if<OtherContent>(&content);
    return other == nullptr ? "" : other->what;
  }

  std::string path_;
  Fd file_;
};

TEST_F(ProbeTest, AnUnwrittenDeviceIsBlank) { EXPECT_TRUE(std::holds_alternative<Blank>(Probe())); }

TEST_F(ProbeTest, Ext4IsAFileSystemWithItsUuid) {
  RunOnFile({"mkfs.ext4", "-q", "-U", "6b2cd6d4-1a2b-4c3d-8e4f-001122334455"});
  const DeviceContent content = Probe();
  const auto* found = std::get_if<FileSystem>(&content);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->type, "ext4");
  EXPECT_EQ(found->uuid, "6b2cd6d4-1a2b-4c3d-8e4f-001122334455");
}

TEST_F(ProbeTest, APartitionTableIsNotBlank) {
  // One Linux partition of 30720 sectors from sector 2048, and the signature of a DOS table.
  Put(446, {'\x00', '\x20', '\x21', '\x00', '\x83', '\x29', '\x15', '\x02', '\x00', '\x08', '\x00',
            '\x00', '\x00', '\x78', '\x00', '\x00'});
  Put(510, "\x55\xaa");
  EXPECT_THAT(ProbeOther(), HasSubstr("partition table (dos)"));
}

TEST_F(ProbeTest, AnEncryptedDeviceIsNotBlank) {
  Put(0, std::string("LUKS\xba\xbe\x00\x01", 8));
  EXPECT_THAT(ProbeOther(), HasSubstr("crypto_LUKS"));
}

TEST_F(ProbeTest, SwapIsNotBlank) {
  RunOnFile({"mkswap"});
  EXPECT_THAT(ProbeOther(), HasSubstr("swap"));
}

// The label of an LVM member with a wrong checksum, which libblkid does not take for one.
TEST_F(ProbeTest, BytesThatNobodyKnowsAreNotBlank) {
  Put(512, "LABELONE\x01");
  EXPECT_TRUE(std::holds_alternative<UnknownData>(Probe()));
}

TEST_F(ProbeTest, BytesAtTheVeryEndAreNotBlank) {
  Put(kBytes - 1, "x");
  EXPECT_TRUE(std::holds_alternative<UnknownData>(Probe()));
}

TEST_F(ProbeTest, WhatCannotBeReadIsNotBlank) {
  EXPECT_TRUE(std::holds_alternative<Unreadable>(ProbeDevice("/nonexistent")));
  EXPECT_TRUE(std::holds_alternative<Unreadable>(ProbeDevice("/")));
}

}  // namespace
}  // namespace berth
