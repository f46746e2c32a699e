// The kernel's rbd for real: run in a virtual machine, because most kernels that build Berth lack
// it (sanity-tests/vm).
#include <fcntl.h>
#include <linux/fs.h>
#include <rbd/librbd.h>
#include <sys/ioctl.h>

#include <fstream>
#include <iterator>
#include <string>

#include "rbd/krbd/krbd_attacher.h"
#include "rbd/mapping_intent.h"
#include "rbd/testing/attacher_contract.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

class KrbdWorld {
 public:
  KrbdWorld(Connections& connections, const std::string& boot_id)
      : attacher_(connections, RbdBus(), boot_id) {}
  Attacher& attacher() { return attacher_; }

 private:
  KrbdAttacher attacher_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Krbd, AttacherContract, KrbdWorld);

class KrbdTest : public AttacherTest {
 protected:
  Attacher& attacher() override { return *attacher_; }

  // What a new process of berth-node starts with.
  void Restart(const std::string& boot_id = kBoot) {
    attacher_ = std::make_unique<KrbdAttacher>(connections(), bus_, boot_id);
  }
  MappedDevice Mapped() {
    const StatusOr<std::vector<MappedDevice>> mapped = bus_.List();
    EXPECT_TRUE(mapped.ok()) << mapped.status();
    EXPECT_EQ(mapped->size(), 1U);
    return mapped->empty() ? MappedDevice{} : mapped->front();
  }
  void RecordIntent(uint64_t epoch) {
    const auto begun = OpenPool()->registry.Update(kImage, [&](VolumeRecord& volume) {
      return BeginOpenClaim(volume.writer, kNode, epoch, kBoot, MappingIntent(kBoot));
    });
    ASSERT_TRUE(begun.ok()) << begun.status();
  }
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static uint64_t SizeBytes(const std::string& device) {
    const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
    uint64_t bytes = 0;
    EXPECT_EQ(ioctl(fd.get(), BLKGETSIZE64, &bytes), 0);
    return bytes;
  }

  const RbdBus bus_;
  std::unique_ptr<KrbdAttacher> attacher_ =
      std::make_unique<KrbdAttacher>(connections(), bus_, kBoot);
};

TEST_F(KrbdTest, ThisKernelCanDoIt) { EXPECT_TRUE(bus_.CheckUsable().ok()) << bus_.CheckUsable(); }

TEST_F(KrbdTest, ANewProcessFindsTheDevice) {
  const Attachment attachment = PublishAndAttach();
  Restart();
  ASSERT_TRUE(Listed().has_value());
  EXPECT_EQ(Listed()->device, attachment.device);
  EXPECT_EQ(Listed()->epoch, attachment.epoch);
  EXPECT_EQ(Listed()->instance, attachment.instance);
  EXPECT_EQ(attacher().Attach(Request(attachment.epoch), Soon())->device, attachment.device);
  Restart();
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
}

TEST_F(KrbdTest, TheKeyIsNowhereToBeRead) {
  PublishAndAttach();
  const std::string key = connections().clusters().Find(kCluster)->user.key;
  const std::string shown = ReadFile("/sys/bus/rbd/devices/" + Mapped().id + "/config_info");
  EXPECT_NE(shown.find("noshare"), std::string::npos) << shown;
  EXPECT_EQ(shown.find(key), std::string::npos) << shown;
  EXPECT_EQ(ReadFile("/proc/keys").find("berth/"), std::string::npos) << "a key was left behind";
}

TEST_F(KrbdTest, TheDeviceGrowsWithTheImage) {
  const Attachment attachment = PublishAndAttach();
  EXPECT_EQ(SizeBytes(attachment.device), kSizeBytes);
  const auto pool = OpenPool();
  Image image = *Image::Open(pool->io, kImage, Image::Mode::kReadWrite);
  ASSERT_EQ(rbd_resize(image.get(), 2 * kSizeBytes), 0);
  for (const absl::Time deadline = Soon();
       SizeBytes(attachment.device) != 2 * kSizeBytes && absl::Now() < deadline;) {
  }
  EXPECT_EQ(SizeBytes(attachment.device), 2 * kSizeBytes);
}

TEST_F(KrbdTest, AFencedDeviceIsTakenFromItsUsers) {
  const Attachment attachment = PublishAndAttach();
  DeviceFile user(attachment.device, O_RDWR);
  uint64_t acknowledged = 1;
  ASSERT_EQ(user.WriteBlock(0, acknowledged), 0);
  ASSERT_TRUE(Unpublish().ok());
  EXPECT_EQ(WriteUntilError(user, acknowledged), EIO);
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_FALSE(Listed().has_value());
  EXPECT_NE(user.WriteBlock(0, acknowledged), 0) << "its user still gets errors";
}

// A process that died between intent and device.
TEST_F(KrbdTest, AnIntentThatCameToNothingIsTakenBack) {
  RecordIntent(Publish());
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
}

TEST_F(KrbdTest, AnIntentNeedsNoFence) {
  const uint64_t epoch = Publish();
  RecordIntent(epoch);
  ASSERT_TRUE(Unpublish().ok());
  EXPECT_EQ(Claim().state, ClaimState::kFree);
  EXPECT_TRUE(OpenPool()->fences.List()->empty());
  EXPECT_TRUE(absl::IsFailedPrecondition(attacher().Attach(Request(epoch), Soon()).status()));
  EXPECT_FALSE(Listed().has_value());
}

// A process that died between device and record: the claim was taken back meanwhile.
TEST_F(KrbdTest, ADeviceWhoseClaimIsGoneIsNotGivenOut) {
  const Attachment attachment = PublishAndAttach();
  ASSERT_TRUE(Unpublish().ok());
  Publish("node-2");
  EXPECT_TRUE(
      absl::IsFailedPrecondition(attacher().Attach(Request(attachment.epoch), Soon()).status()));
  EXPECT_EQ(Claim().node, "node-2");
}

}  // namespace
}  // namespace berth
