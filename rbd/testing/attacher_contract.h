#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rbd/librbd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "rbd/attacher.h"
#include "rbd/data/testing/device_file.h"
#include "rbd/image.h"
#include "rbd/nodes.h"
#include "rbd/publishing.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volumes.h"
#include "rbd/writer_claim.h"

namespace berth {

// One volume in the lab's Ceph, and an attacher on this machine as node "node-1" of boot "boot-1".
// At the end of a test, also of one that failed, the volume must go without force.
class AttacherTest : public CephTest {
 protected:
  static constexpr char kNode[] = "node-1";
  static constexpr char kBoot[] = "boot-1";
  static constexpr char kImage[] = "v";
  static constexpr uint64_t kSizeBytes = 64 << 20;

  AttacherTest() {
    CreateVolumeOptions options;
    options.request_name = kImage;
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = kSizeBytes;
    const auto volume = Volumes(connections(), clock_).Create(options);
    EXPECT_TRUE(volume.ok()) << volume.status();
  }

  void TearDown() override {
    const Status detached = attacher().Detach(Handle(kImage), Soon());
    EXPECT_TRUE(detached.ok()) << detached;
    EXPECT_FALSE(Listed().has_value());
  }

  virtual Attacher& attacher() = 0;

  static absl::Time Soon() { return absl::Now() + absl::Seconds(60); }
  AttachRequest Request(uint64_t epoch) const {
    AttachRequest request;
    request.volume = Handle(kImage);
    request.node_id = kNode;
    request.boot_id = kBoot;
    request.epoch = epoch;
    return request;
  }
  uint64_t Publish(const std::string& node = kNode) {
    const auto epoch = publishing_.Publish(Handle(kImage), node, {});
    EXPECT_TRUE(epoch.ok()) << epoch.status();
    return epoch.value_or(0);
  }
  Status Unpublish() { return publishing_.Unpublish(Handle(kImage), kNode, {}); }
  Attachment PublishAndAttach() {
    const StatusOr<Attachment> attachment = attacher().Attach(Request(Publish()), Soon());
    EXPECT_TRUE(attachment.ok()) << attachment.status();
    return attachment.value_or(Attachment{});
  }
  WriterClaim Claim() { return OpenPool()->registry.Get(kImage)->writer; }
  std::optional<Attachment> Listed() {
    const auto attachments = attacher().List(Soon());
    EXPECT_TRUE(attachments.ok()) << attachments.status();
    for (const Attachment& attachment : attachments.value_or(std::vector<Attachment>())) {
      if (attachment.volume == Handle(kImage)) return attachment;
    }
    return std::nullopt;
  }
  uint64_t FirstWordInImage(uint64_t offset) {
    const auto pool = OpenPool();
    const Image image = *Image::Open(pool->io, kImage, Image::Mode::kReadOnly);
    uint64_t word = 0;
    EXPECT_EQ(rbd_read(image.get(), offset, sizeof word, reinterpret_cast<char*>(&word)),
              static_cast<ssize_t>(sizeof word));
    return word;
  }
  // Writes until the device answers an error, which is returned; `acknowledged` is the last stamp
  // that was written without one.
  static int WriteUntilError(DeviceFile& device, uint64_t& acknowledged) {
    int error = 0;
    for (const absl::Time deadline = Soon(); error == 0 && absl::Now() < deadline;) {
      error = device.WriteBlock(0, acknowledged + 1);
      if (error == 0) ++acknowledged;
    }
    return error;
  }

 private:
  RealClock clock_;
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
};

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
                            EachMistakeHasItsOwnAnswer,
                            AFencedDeviceAnswersErrorsGoesQuietlyAndHeals,
                            WhatAnEarlierBootHadOpenIsFenced);

}  // namespace berth
