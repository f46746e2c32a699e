#pragma once

#include <gtest/gtest.h>
#include <rbd/librbd.h>

#include <cerrno>
#include <chrono>
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
#include "rbd/volume_claims.h"
#include "rbd/volumes.h"

namespace berth {

// One volume in the lab's Ceph, another that several nodes may write to, and an attacher on this
// machine as node "node-1" of boot "boot-1". At the end of a test, also of one that failed, the
// volumes must go without force.
class AttacherTest : public CephTest {
 protected:
  static constexpr char kNode[] = "node-1";
  static constexpr char kBoot[] = "boot-1";
  static constexpr char kImage[] = "v";
  static constexpr char kSharedImage[] = "shared";
  static constexpr uint64_t kSizeBytes = 64 << 20;

  AttacherTest() {
    MakeVolume(kImage, Writers::kOne);
    MakeVolume(kSharedImage, Writers::kMany);
  }

  void TearDown() override {
    for (const char* image : {kImage, kSharedImage}) {
      const Status detached = attacher().Detach(Handle(image), Soon());
      EXPECT_TRUE(detached.ok()) << detached;
      EXPECT_FALSE(Listed(image).has_value());
    }
  }

  virtual Attacher& attacher() = 0;

  static absl::Time Soon() { return absl::Now() + absl::Seconds(60); }
  AttachRequest Request(uint64_t epoch, const std::string& image = kImage) const {
    AttachRequest request;
    request.volume = Handle(image);
    request.node_id = kNode;
    request.boot_id = kBoot;
    request.epoch = epoch;
    return request;
  }
  uint64_t Publish(const std::string& node = kNode, AccessMode mode = AccessMode::kReadWriteOnce,
                   const std::string& image = kImage) {
    const auto epoch = publishing_.Publish(Handle(image), node, mode, {});
    EXPECT_TRUE(epoch.ok()) << epoch.status();
    return epoch.value_or(0);
  }
  Status TryPublish(const std::string& node, AccessMode mode) {
    return publishing_.Publish(Handle(kImage), node, mode, {}).status();
  }
  Status Unpublish(const std::string& node = kNode, const std::string& image = kImage) {
    return publishing_.Unpublish(Handle(image), node, {});
  }
  Attachment PublishAndAttach() {
    const StatusOr<Attachment> attachment = attacher().Attach(Request(Publish()), Soon());
    EXPECT_TRUE(attachment.ok()) << attachment.status();
    return attachment.value_or(Attachment{});
  }
  WriterClaim Claim() { return OpenPool()->registry.Get(kImage)->writer; }
  WriterClaim SharedClaim(const std::string& node) {
    VolumeRecord record = *OpenPool()->registry.Get(kSharedImage);
    return ClaimOf(record, node);
  }
  std::optional<Attachment> Listed(const std::string& image = kImage) {
    const auto attachments = attacher().List(Soon());
    EXPECT_TRUE(attachments.ok()) << attachments.status();
    for (const Attachment& attachment : attachments.value_or(std::vector<Attachment>())) {
      if (attachment.volume == Handle(image)) return attachment;
    }
    return std::nullopt;
  }
  uint64_t FirstWordInImage(uint64_t offset, const std::string& name = kImage) {
    const auto pool = OpenPool();
    const Image image = *Image::Open(pool->io, name, Image::Mode::kReadOnly);
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
  void MakeVolume(const std::string& name, Writers writers) {
    CreateVolumeOptions options;
    options.request_name = name;
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = kSizeBytes;
    options.writers = writers;
    const auto volume = Volumes(connections(), clock_).Create(options);
    EXPECT_TRUE(volume.ok()) << volume.status();
  }

  RealClock clock_;
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
};

}  // namespace berth
