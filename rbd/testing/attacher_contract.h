#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rbd/librbd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "rbd/testing/attacher_fixture.h"

namespace berth {

// What every Attacher must keep. `World` is default-constructible from (Connections&, boot id) and
// gives an `Attacher& attacher()`.
template <typename World>
class AttacherContract : public AttacherTest {
 protected:
  Attacher& attacher() override { return world_.attacher(); }

 private:
  World world_{connections(), kBoot};
};
TYPED_TEST_SUITE_P(AttacherContract);

TYPED_TEST_P(AttacherContract, DataArrivesInTheImageAndTheClaimIsKept) {
  const Attachment attachment = this->PublishAndAttach();
  const WriterClaim open = this->Claim();
  EXPECT_EQ(open.state, ClaimState::kOpen);
  EXPECT_EQ(open.instances, std::vector<std::string>{attachment.instance});
  EXPECT_EQ(open.boot_id, this->kBoot);
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
    EXPECT_EQ(this->FirstWordInImage(63 * 64 * DeviceFile::kBlockBytes), 70U);
  }
  ASSERT_TRUE(this->attacher().Detach(this->Handle(this->kImage), this->Soon()).ok());
  EXPECT_EQ(this->Claim().state, ClaimState::kClosed);
  EXPECT_TRUE(this->Claim().instances.empty());
  EXPECT_FALSE(this->Listed().has_value());
  EXPECT_TRUE(this->attacher().Detach(this->Handle(this->kImage), this->Soon()).ok());
  // The holder closed: another node gets it without a fence.
  ASSERT_TRUE(this->Unpublish().ok());
  EXPECT_GT(this->Publish("node-2"), attachment.epoch);
}

TYPED_TEST_P(AttacherContract, TheSameAgainIsTheSameDevice) {
  const Attachment attachment = this->PublishAndAttach();
  const auto again = this->attacher().Attach(this->Request(attachment.epoch), this->Soon());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->device, attachment.device);
  EXPECT_EQ(again->instance, attachment.instance);
  AttachRequest other = this->Request(attachment.epoch + 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(this->attacher().Attach(other, this->Soon()).status()));
  other = this->Request(attachment.epoch);
  other.read_only = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(this->attacher().Attach(other, this->Soon()).status()));
  EXPECT_TRUE(this->Listed()->healthy);
  EXPECT_EQ(this->Listed()->epoch, attachment.epoch);
}

TYPED_TEST_P(AttacherContract, ADeviceInUseStays) {
  const Attachment attachment = this->PublishAndAttach();
  for (const int flags : {O_RDWR, O_RDWR | O_EXCL}) {  // as a pod has a raw device, as a mount has
    DeviceFile device(attachment.device, flags);
    ASSERT_TRUE(device.valid());
    EXPECT_TRUE(absl::IsFailedPrecondition(
        this->attacher().Detach(this->Handle(this->kImage), this->Soon())));
    EXPECT_EQ(device.WriteBlock(1, 2), 0);
    EXPECT_TRUE(this->Listed()->healthy);
  }
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(attachment.device, O_RDONLY).ReadBlock(1, stamp), 0);
  EXPECT_EQ(stamp, 2U);
}

TYPED_TEST_P(AttacherContract, ReadOnlyLeavesNoTraceInTheClaim) {
  AttachRequest request = this->Request(this->Publish());
  request.read_only = true;
  const auto attachment = this->attacher().Attach(request, this->Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  EXPECT_EQ(this->Claim().state, ClaimState::kPublished);
  uint64_t stamp = 1;
  EXPECT_EQ(DeviceFile(attachment->device, O_RDONLY).ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 0U);
  DeviceFile writer(attachment->device, O_RDWR);
  EXPECT_TRUE(!writer.valid() || writer.WriteBlock(0, 1) != 0);
  EXPECT_EQ(this->Claim().state, ClaimState::kPublished);
}

TYPED_TEST_P(AttacherContract, ReadersOfSeveralNodesKeepWritersAway) {
  Attachment attachment = this->PublishAndAttach();
  ASSERT_EQ(DeviceFile(attachment.device, O_RDWR).WriteBlock(0, 7), 0);
  ASSERT_TRUE(absl::IsFailedPrecondition(this->TryPublish("node-2", AccessMode::kReadOnlyMany)));
  ASSERT_TRUE(this->attacher().Detach(this->Handle(this->kImage), this->Soon()).ok());
  ASSERT_TRUE(this->Unpublish().ok());

  AttachRequest request = this->Request(this->Publish(this->kNode, AccessMode::kReadOnlyMany));
  request.read_only = true;
  this->Publish("node-2", AccessMode::kReadOnlyMany);
  const auto reader = this->attacher().Attach(request, this->Soon());
  ASSERT_TRUE(reader.ok()) << reader.status();
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(reader->device, O_RDONLY).ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 7U);
  EXPECT_NE(DeviceFile(reader->device, O_RDWR).WriteBlock(0, 1), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(this->TryPublish("node-3", AccessMode::kReadWriteOnce)));

  ASSERT_TRUE(this->attacher().Detach(this->Handle(this->kImage), this->Soon()).ok());
  ASSERT_TRUE(this->Unpublish().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(this->TryPublish("node-3", AccessMode::kReadWriteOnce)));
  EXPECT_TRUE(absl::IsFailedPrecondition(this->attacher().Attach(request, this->Soon()).status()))
      << "this node is no reader any more";
  ASSERT_TRUE(this->Unpublish("node-2").ok());
  EXPECT_TRUE(this->TryPublish("node-3", AccessMode::kReadWriteOnce).ok());
}

TYPED_TEST_P(AttacherContract, OneOfSeveralWritersIsFencedAndTheOthersWriteOn) {
  const VolumeHandle volume = this->Handle(this->kSharedImage);
  const AccessMode many = AccessMode::kReadWriteMany;
  const uint64_t epoch = this->Publish(this->kNode, many, this->kSharedImage);
  const uint64_t other_epoch = this->Publish("node-2", many, this->kSharedImage);
  const auto attachment =
      this->attacher().Attach(this->Request(epoch, this->kSharedImage), this->Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  EXPECT_EQ(this->SharedClaim(this->kNode).state, ClaimState::kOpen);
  EXPECT_EQ(this->SharedClaim(this->kNode).instances,
            std::vector<std::string>{attachment->instance});

  const auto other = this->NewClient(RadosClient::Purpose::kData);
  ASSERT_TRUE(this->OpenPool()
                  ->registry
                  .Update(this->kSharedImage,
                          [&](VolumeRecord& record) {
                            return BeginOpenClaim(ClaimOf(record, "node-2"), "node-2", other_epoch,
                                                  "boot", other->address());
                          })
                  .ok());
  const IoContext io = *other->OpenPool(this->kPool, this->rados_namespace());
  const Image image = *Image::Open(io, this->kSharedImage, Image::Mode::kReadWrite);
  const auto write_as_other = [&](uint64_t stamp) {
    const std::vector<uint64_t> block(DeviceFile::kBlockBytes / sizeof stamp, stamp);
    return rbd_write(image.get(), DeviceFile::kBlockBytes, DeviceFile::kBlockBytes,
                     reinterpret_cast<const char*>(block.data())) ==
           static_cast<ssize_t>(DeviceFile::kBlockBytes);
  };
  {
    DeviceFile device(attachment->device, O_RDWR);
    ASSERT_EQ(device.WriteBlock(0, 1), 0);
    ASSERT_TRUE(write_as_other(2));
    uint64_t stamp = 0;
    EXPECT_EQ(device.ReadBlock(1, stamp), 0);
    EXPECT_EQ(stamp, 2U) << "each sees what the other wrote";
    EXPECT_EQ(this->FirstWordInImage(0, this->kSharedImage), 1U);

    ASSERT_TRUE(this->Unpublish(this->kNode, this->kSharedImage).ok());
    uint64_t acknowledged = 1;
    EXPECT_EQ(this->WriteUntilError(device, acknowledged), EIO);
    EXPECT_TRUE(write_as_other(3));
  }
  EXPECT_EQ(this->SharedClaim("node-2").instances, std::vector<std::string>{other->address()});
  EXPECT_TRUE(this->attacher().Detach(volume, this->Soon()).ok());

  // It heals beside the other, and closes without a fence.
  const uint64_t again = this->Publish(this->kNode, many, this->kSharedImage);
  ASSERT_TRUE(this->attacher().Attach(this->Request(again, this->kSharedImage), this->Soon()).ok());
  ASSERT_TRUE(this->attacher().Detach(volume, this->Soon()).ok());
  EXPECT_EQ(this->SharedClaim(this->kNode).state, ClaimState::kClosed);
  EXPECT_TRUE(write_as_other(4));
}

// Claim and fence alone keep other writers away.
TYPED_TEST_P(AttacherContract, AnImageWithoutALockServesOneNodeToo) {
  const uint64_t epoch = this->Publish(this->kNode, AccessMode::kReadWriteOnce, this->kSharedImage);
  const auto attachment =
      this->attacher().Attach(this->Request(epoch, this->kSharedImage), this->Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  {
    DeviceFile device(attachment->device, O_RDWR);
    ASSERT_EQ(device.WriteBlock(0, 9), 0);
    ASSERT_EQ(device.Sync(), 0);
  }
  ASSERT_TRUE(this->attacher().Detach(this->Handle(this->kSharedImage), this->Soon()).ok());
  EXPECT_EQ(this->FirstWordInImage(0, this->kSharedImage), 9U);
  EXPECT_EQ(this->SharedClaim(this->kNode).state, ClaimState::kClosed);
}

TYPED_TEST_P(AttacherContract, AClaimThatIsNotOursIsNotOpened) {
  EXPECT_TRUE(
      absl::IsFailedPrecondition(this->attacher().Attach(this->Request(1), this->Soon()).status()));
  const uint64_t epoch = this->Publish("node-2");
  const Status elsewhere = this->attacher().Attach(this->Request(epoch), this->Soon()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(elsewhere));
  EXPECT_NE(std::string(elsewhere.message()).find("node-2"), std::string::npos) << elsewhere;
  EXPECT_EQ(this->Claim().state, ClaimState::kPublished);
  EXPECT_TRUE(this->Claim().instances.empty());
  EXPECT_FALSE(this->Listed().has_value());
}

TYPED_TEST_P(AttacherContract, EachMistakeHasItsOwnAnswer) {
  AttachRequest request = this->Request(1);
  request.volume.image = "absent";
  EXPECT_TRUE(absl::IsNotFound(this->attacher().Attach(request, this->Soon()).status()));
  request.volume.pool = "no-such-pool";
  const Status pool = this->attacher().Attach(request, this->Soon()).status();
  EXPECT_TRUE(absl::IsNotFound(pool));
  EXPECT_NE(std::string(pool.message()).find("no-such-pool"), std::string::npos);
  request = this->Request(this->Publish());
  request.user = CephUser{.id = "berth", .key = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA=="};
  const Status key = this->attacher().Attach(request, this->Soon()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(key)) << key;
  EXPECT_EQ(std::string(key.message()).find("AQAA"), std::string::npos) << "the key was told";
  request.user.reset();
  request.volume.cluster = "elsewhere";
  EXPECT_TRUE(absl::IsNotFound(this->attacher().Attach(request, this->Soon()).status()));
  EXPECT_TRUE(this->Claim().instances.empty());
}

TYPED_TEST_P(AttacherContract, AFencedDeviceAnswersErrorsGoesQuietlyAndHeals) {
  const Attachment attachment = this->PublishAndAttach();
  uint64_t acknowledged = 1;
  {
    DeviceFile device(attachment.device, O_RDWR);
    ASSERT_EQ(device.WriteBlock(0, acknowledged), 0);
    ASSERT_TRUE(this->Unpublish().ok());
    // An OSD that has not met the fence yet may still serve a write; none does after it has.
    EXPECT_EQ(this->WriteUntilError(device, acknowledged), EIO);
    uint64_t stamp = 0;
    EXPECT_EQ(device.ReadBlock(0, stamp), EIO);
    bool unhealthy = false;
    for (const absl::Time deadline = this->Soon(); !unhealthy && absl::Now() < deadline;) {
      unhealthy = !this->Listed()->healthy;
    }
    EXPECT_TRUE(unhealthy);
  }
  EXPECT_TRUE(this->attacher().Detach(this->Handle(this->kImage), this->Soon()).ok());
  EXPECT_EQ(this->Claim().state, ClaimState::kFree);
  // The node heals by itself: published again, it attaches with a fresh client instance.
  const Attachment again = this->PublishAndAttach();
  EXPECT_GT(again.epoch, attachment.epoch);
  EXPECT_NE(again.instance, attachment.instance);
  uint64_t stamp = 0;
  DeviceFile device(again.device, O_RDWR);
  EXPECT_EQ(device.ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, acknowledged) << "the write of the fenced client must not have landed";
  EXPECT_EQ(device.WriteBlock(0, acknowledged + 2), 0);
}

TYPED_TEST_P(AttacherContract, WhatAnEarlierBootHadOpenIsFenced) {
  const auto earlier = this->NewClient(RadosClient::Purpose::kControl);
  const uint64_t epoch = this->Publish();
  const auto opened = this->OpenPool()->registry.Update(this->kImage, [&](VolumeRecord& volume) {
    return BeginOpenClaim(volume.writer, this->kNode, epoch, "boot-0", earlier->address());
  });
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto attachment = this->attacher().Attach(this->Request(epoch), this->Soon());
  ASSERT_TRUE(attachment.ok()) << attachment.status();
  EXPECT_EQ(this->Claim().instances, std::vector<std::string>{attachment->instance});
  EXPECT_EQ(this->Claim().boot_id, this->kBoot);
  ASSERT_TRUE(earlier->WaitForLatestMap().ok());
  const IoContext io = *earlier->OpenPool(this->kPool, this->rados_namespace());
  EXPECT_EQ(rados_write_full(io.get(), "late", "x", 1), -ESHUTDOWN);
}

REGISTER_TYPED_TEST_SUITE_P(AttacherContract, DataArrivesInTheImageAndTheClaimIsKept,
                            TheSameAgainIsTheSameDevice, ADeviceInUseStays,
                            ReadOnlyLeavesNoTraceInTheClaim, AClaimThatIsNotOursIsNotOpened,
                            EachMistakeHasItsOwnAnswer, ReadersOfSeveralNodesKeepWritersAway,
                            OneOfSeveralWritersIsFencedAndTheOthersWriteOn,
                            AnImageWithoutALockServesOneNodeToo,
                            AFencedDeviceAnswersErrorsGoesQuietlyAndHeals,
                            WhatAnEarlierBootHadOpenIsFenced);

}  // namespace berth
