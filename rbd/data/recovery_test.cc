// What an application sees when the I/O process dies or is fenced.

#include <fcntl.h>

#include <cerrno>
#include <future>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/device_file.h"
#include "rbd/data/testing/verifier.h"

namespace berth {
namespace {

class RecoveryTest : public DataPathTest {
 protected:
  // True once the device serves I/O by another instance than `instance`.
  bool InstanceChangesFrom(const std::string& instance) {
    for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
      const auto attachment = Listed();
      if (!attachment || attachment->instance != instance) return attachment.has_value();
    }
    return false;
  }
};

TEST_F(RecoveryTest, KillingTheIoProcessCostsNoError) {
  const Attachment attachment = PublishAndAttach();
  {
    constexpr uint64_t kBlocks = 1024;
    Verifier first(attachment.device, 0, kBlocks);
    Verifier second(attachment.device, kBlocks, kBlocks);
    Verifier third(attachment.device, 2 * kBlocks, kBlocks);
    for (int kill = 0; kill < 4; ++kill) {
      const std::string instance = Listed()->instance;
      const uint64_t rounds = first.rounds();
      while (first.rounds() < rounds + 50) std::this_thread::yield();
      KillIoProcess();
      ASSERT_TRUE(InstanceChangesFrom(instance));
      const uint64_t after = first.rounds();
      for (const absl::Time deadline = Soon();
           first.rounds() < after + 50 && absl::Now() < deadline;) {
        std::this_thread::yield();
      }
    }
    for (Verifier* verifier : {&first, &second, &third}) {
      verifier->Stop();
      EXPECT_EQ(verifier->failure(), "");
      EXPECT_GT(verifier->rounds(), 100U);
      EXPECT_LT(verifier->longest_pause(), absl::Seconds(2));
      RecordProperty("longest_pause_ms",
                     static_cast<int>(absl::ToInt64Milliseconds(verifier->longest_pause())));
    }
  }
  EXPECT_TRUE(Listed()->healthy);
  const WriterClaim claim = Claim();
  EXPECT_EQ(claim.state, ClaimState::kOpen);
  EXPECT_EQ(claim.instances, std::vector<std::string>{Listed()->instance})
      << "the dead ones are fenced and need not be remembered";
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
}

TEST_F(RecoveryTest, AFencedDeviceAnswersErrorsAndGoesQuietly) {
  const Attachment attachment = PublishAndAttach();
  uint64_t acknowledged = 0;
  {
    DeviceFile device(attachment.device, O_RDWR);
    ASSERT_EQ(device.WriteBlock(0, 1), 0);
    ASSERT_TRUE(Unpublish().ok());
    // An OSD that has not met the fence yet may still serve a write; none does after it has.
    int error = 0;
    for (const absl::Time deadline = Soon(); error == 0 && absl::Now() < deadline;) {
      ++acknowledged;
      error = device.WriteBlock(0, acknowledged + 1);
    }
    EXPECT_EQ(error, EIO);
    uint64_t stamp = 0;
    EXPECT_EQ(device.ReadBlock(0, stamp), EIO);
    EXPECT_TRUE(BecomesUnhealthy());
  }
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kFree);
  // The node heals by itself: published again, it attaches with a fresh client instance.
  const Attachment again = PublishAndAttach();
  EXPECT_GT(again.epoch, attachment.epoch);
  EXPECT_NE(again.instance, attachment.instance);
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(again.device, O_RDWR).ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, acknowledged) << "the write of the fenced client must not have landed";
}

TEST_F(RecoveryTest, ASuccessorIsRefusedOnceTheClaimIsRevoked) {
  const Attachment attachment = PublishAndAttach();
  {
    DeviceFile device(attachment.device, O_RDWR);
    ASSERT_EQ(device.WriteBlock(0, 1), 0);
    ASSERT_TRUE(Unpublish().ok());
    KillIoProcess();
    // An error, and not silence.
    auto write = std::async(std::launch::async, [&device] { return device.WriteBlock(0, 2); });
    ASSERT_EQ(write.wait_for(std::chrono::seconds(30)), std::future_status::ready);
    EXPECT_EQ(write.get(), EIO);
    EXPECT_TRUE(BecomesUnhealthy());
    EXPECT_TRUE(IoProcesses().empty());
  }
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_TRUE(IsFree(attachment.device));
}

}  // namespace
}  // namespace berth
