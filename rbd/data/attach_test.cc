#include <fcntl.h>
#include <rbd/librbd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/device_file.h"
#include "rbd/image.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

using absl::StatusCode;

class AttachTest : public DataPathTest {
 protected:
  // How many objects the image's data takes.
  int DataObjects() {
    const auto pool = OpenPool();
    const Image image = *Image::Open(pool->io, kImage, Image::Mode::kReadOnly);
    const std::string prefix = "rbd_data." + *image.Id() + ".";
    rados_list_ctx_t list = nullptr;
    EXPECT_EQ(rados_nobjects_list_open(pool->io.get(), &list), 0);
    int count = 0;
    const char* name = nullptr;
    while (rados_nobjects_list_next(list, &name, nullptr, nullptr) == 0) {
      if (std::strncmp(name, prefix.c_str(), prefix.size()) == 0) ++count;
    }
    rados_nobjects_list_close(list);
    return count;
  }

  uint64_t FirstWordInImage(uint64_t offset) {
    const auto pool = OpenPool();
    const Image image = *Image::Open(pool->io, kImage, Image::Mode::kReadOnly);
    uint64_t word = 0;
    EXPECT_EQ(rbd_read(image.get(), offset, sizeof word, reinterpret_cast<char*>(&word)),
              static_cast<ssize_t>(sizeof word));
    return word;
  }
};

TEST_F(AttachTest, DataArrivesInTheImageAndTheClaimIsKept) {
  const Attachment attachment = PublishAndAttach();
  const WriterClaim open = Claim();
  EXPECT_EQ(open.state, ClaimState::kOpen);
  EXPECT_EQ(open.instances, std::vector<std::string>{attachment.instance});
  EXPECT_EQ(open.boot_id, "boot-1");
  {
    DeviceFile device(attachment.device, O_RDWR);
    ASSERT_TRUE(device.valid());
    for (uint64_t block = 0; block < 64; ++block) {
      ASSERT_EQ(device.WriteBlock(block * 64, block + 7), 0);
    }
    ASSERT_EQ(device.Sync(), 0);
    uint64_t stamp = 0;
    ASSERT_EQ(device.ReadBlock(63 * 64, stamp), 0);
    EXPECT_EQ(stamp, 70U);
    EXPECT_EQ(FirstWordInImage(63 * 64 * DeviceFile::kBlockBytes), 70U);
  }
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
  EXPECT_TRUE(Claim().instances.empty());
  EXPECT_TRUE(IsFree(attachment.device));
  EXPECT_FALSE(Listed().has_value());
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok()) << "what is not attached is detached";
  // The holder closed: another node gets it without a fence.
  ASSERT_TRUE(Unpublish().ok());
  EXPECT_GT(Publish("node-2"), attachment.epoch);
}

TEST_F(AttachTest, DiscardGivesObjectsBack) {
  const Attachment attachment = PublishAndAttach();
  DeviceFile device(attachment.device, O_RDWR);
  for (uint64_t block = 0; block < kSizeBytes / DeviceFile::kBlockBytes; block += 256) {
    ASSERT_EQ(device.WriteBlock(block, 1), 0);
  }
  EXPECT_EQ(DataObjects(), static_cast<int>(kSizeBytes >> 22));
  ASSERT_EQ(device.Discard(0, kSizeBytes), 0);
  EXPECT_EQ(DataObjects(), 0);
  uint64_t stamp = 1;
  ASSERT_EQ(device.ReadBlock(256, stamp), 0);
  EXPECT_EQ(stamp, 0U);
}

TEST_F(AttachTest, TheSameAgainIsTheSameDevice) {
  const Attachment attachment = PublishAndAttach();
  const auto again = attacher().Attach(Request(attachment.epoch), Soon());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->device, attachment.device);
  EXPECT_EQ(IoProcesses().size(), 1U);
  EXPECT_EQ(attacher().Attach(Request(attachment.epoch + 2), Soon()).status().code(),
            StatusCode::kFailedPrecondition);
  AttachRequest read_only = Request(attachment.epoch);
  read_only.read_only = true;
  EXPECT_EQ(attacher().Attach(read_only, Soon()).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Listed()->healthy);
}

TEST_F(AttachTest, NobodySeesTheFileThatIsServed) {
  PublishAndAttach();
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    EXPECT_EQ(line.find("fuse.berth"), std::string::npos) << line;
  }
}

TEST_F(AttachTest, ADeviceInUseStays) {
  const Attachment attachment = PublishAndAttach();
  for (const int flags : {O_RDWR, O_RDWR | O_EXCL}) {  // as a pod has a raw device, as a mount has
    DeviceFile device(attachment.device, flags);
    ASSERT_TRUE(device.valid());
    EXPECT_EQ(attacher().Detach(Handle(kImage), Soon()).code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(device.WriteBlock(1, 2), 0);
    EXPECT_TRUE(Listed()->healthy);
  }
  // The user's going does not take the device along.
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(attachment.device, O_RDONLY).ReadBlock(1, stamp), 0);
  EXPECT_EQ(stamp, 2U);
}

TEST_F(AttachTest, ReadOnlyLeavesNoTraceInTheClaim) {
  const uint64_t epoch = Publish();
  AttachRequest request = Request(epoch);
  request.read_only = true;
  const auto attachment = attacher().Attach(request, Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  EXPECT_EQ(Claim().state, ClaimState::kPublished);
  uint64_t stamp = 1;
  EXPECT_EQ(DeviceFile(attachment->device, O_RDONLY).ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 0U);
  DeviceFile writer(attachment->device, O_RDWR);
  EXPECT_TRUE(!writer.valid() || writer.WriteBlock(0, 1) != 0);
  EXPECT_EQ(Claim().state, ClaimState::kPublished);
}

TEST_F(AttachTest, AClaimThatIsNotOursIsNotOpened) {
  const auto unpublished = attacher().Attach(Request(1), Soon());
  EXPECT_EQ(unpublished.status().code(), StatusCode::kFailedPrecondition) << unpublished.status();
  const uint64_t epoch = Publish("node-2");
  const auto elsewhere = attacher().Attach(Request(epoch), Soon());
  EXPECT_EQ(elsewhere.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(elsewhere.status().message()).find("node-2"), std::string::npos);
  EXPECT_EQ(Claim().state, ClaimState::kPublished);
  EXPECT_TRUE(IoProcesses().empty());
}

TEST_F(AttachTest, ALockOfAStrangerIsNamedAndNotBroken) {
  const auto stranger = NewClient(RadosClient::Purpose::kData);
  const IoContext io = *stranger->OpenPool(kPool, rados_namespace());
  Image image = *Image::Open(io, kImage, Image::Mode::kReadWrite);
  ASSERT_TRUE(image.AcquireLock().ok());
  const uint64_t epoch = Publish();
  const auto refused = attacher().Attach(Request(epoch), Soon());
  EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_NE(std::string(refused.status().message()).find(stranger->address()), std::string::npos)
      << refused.status();
  EXPECT_TRUE(Claim().instances.empty()) << "nothing was opened, so nothing is left to fence";
  EXPECT_EQ(rbd_write(image.get(), 0, 4, "mine"), 4);
  ASSERT_TRUE(image.ReleaseLock().ok());
  EXPECT_TRUE(attacher().Attach(Request(epoch), Soon()).ok());
}

// The node lost its power, and the volume is staged again under the same claim.
TEST_F(AttachTest, WhatAnEarlierBootOpenedIsDead) {
  const uint64_t epoch = Publish();
  const auto earlier = NewClient(RadosClient::Purpose::kData);
  ASSERT_TRUE(OpenPool()
                  ->registry
                  .Update(kImage,
                          [&](VolumeRecord& record) {
                            return BeginOpenClaim(record.writer, kNode, epoch, "boot-0",
                                                  earlier->address());
                          })
                  .ok());
  const IoContext io = *earlier->OpenPool(kPool, rados_namespace());
  Image image = *Image::Open(io, kImage, Image::Mode::kReadWrite);
  ASSERT_TRUE(image.AcquireLock().ok());

  const auto attachment = attacher().Attach(Request(epoch), Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  EXPECT_EQ(Claim().instances, std::vector<std::string>{attachment->instance});
  EXPECT_EQ(rbd_write(image.get(), 0, 4, "late"), -ESHUTDOWN);
}

TEST_F(AttachTest, EachMistakeHasItsOwnAnswer) {
  AttachRequest request = Request(1);
  request.volume.image = "absent";
  EXPECT_EQ(attacher().Attach(request, Soon()).status().code(), StatusCode::kNotFound);
  request.volume.pool = "no-such-pool";
  const Status pool = attacher().Attach(request, Soon()).status();
  EXPECT_EQ(pool.code(), StatusCode::kNotFound);
  EXPECT_NE(std::string(pool.message()).find("no-such-pool"), std::string::npos);
  request = Request(Publish());
  request.user = CephUser{.id = "csi", .key = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA=="};
  const Status key = attacher().Attach(request, Soon()).status();
  EXPECT_EQ(key.code(), StatusCode::kPermissionDenied) << key;
  EXPECT_EQ(std::string(key.message()).find("AQAA"), std::string::npos) << "the key was told";
  request.user.reset();
  request.volume.cluster = "elsewhere";
  EXPECT_EQ(attacher().Attach(request, Soon()).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(IoProcesses().empty());
}

TEST_F(AttachTest, AskedToEndItServesUntilTheLastDeviceIsGone) {
  const Attachment attachment = PublishAndAttach();
  EXPECT_EQ(EndServer(absl::Now() + absl::Milliseconds(300)).status().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DeviceFile(attachment.device, O_RDWR).WriteBlock(3, 4), 0);
  AttachRequest other = Request(1);
  other.volume.image = "another";
  EXPECT_EQ(attacher().Attach(other, Soon()).status().code(), StatusCode::kUnavailable);
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  const StatusOr<int> exit_code = EndServer(Soon());
  ASSERT_TRUE(exit_code.ok());
  EXPECT_EQ(*exit_code, 0);
}

TEST_F(AttachTest, TheSocketIsOursAlone) {
  for (const char* name : {"", ".handover"}) {
    struct stat status = {};
    ASSERT_EQ(stat((socket_path() + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
  }
}

// As the kernel's own rbd does it, so that growing a volume is growing its image.
TEST_F(AttachTest, TheDeviceGrowsWithTheImage) {
  const Attachment attachment = PublishAndAttach();
  DeviceFile device(attachment.device, O_RDWR);
  ASSERT_EQ(device.WriteBlock(0, 1), 0);
  const auto grow = [&](uint64_t bytes) {
    const auto pool = OpenPool();
    const Image image = *Image::Open(pool->io, kImage, Image::Mode::kReadWrite);
    ASSERT_EQ(rbd_resize(image.get(), bytes), 0);
  };
  const auto becomes = [&](uint64_t bytes) {
    for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
      if (lseek(device.fd(), 0, SEEK_END) == static_cast<off_t>(bytes)) return true;
    }
    return false;
  };
  grow(2 * kSizeBytes);
  ASSERT_TRUE(becomes(2 * kSizeBytes));
  const uint64_t last_block = 2 * kSizeBytes / DeviceFile::kBlockBytes - 1;
  EXPECT_EQ(device.WriteBlock(last_block, 2), 0);
  uint64_t stamp = 0;
  EXPECT_EQ(device.ReadBlock(last_block, stamp), 0);
  EXPECT_EQ(stamp, 2U);
  EXPECT_EQ(FirstWordInImage(last_block * DeviceFile::kBlockBytes), 2U);

  // Also when nobody serves it just then.
  KillIoProcess();
  grow(3 * kSizeBytes);
  EXPECT_TRUE(becomes(3 * kSizeBytes));
  EXPECT_EQ(device.ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 1U);
}

}  // namespace
}  // namespace berth
