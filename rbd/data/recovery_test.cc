// What an application sees when the I/O process dies or is fenced.

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/device_file.h"
#include "rbd/data/testing/verifier.h"

namespace berth {
namespace {

// By both ways in which a successor learns what was in flight.
class RecoveryTest : public DataPathTest, public ::testing::WithParamInterface<std::string> {
 protected:
  RecoveryTest() : DataPathTest({"--request-recovery", GetParam()}) {}

  // True once the device serves I/O by another instance than `instance`.
  bool InstanceChangesFrom(const std::string& instance) {
    for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
      const auto attachment = Listed();
      if (!attachment || attachment->instance != instance) return attachment.has_value();
    }
    return false;
  }
};

INSTANTIATE_TEST_SUITE_P(By, RecoveryTest, ::testing::Values("resend", "replay"),
                         [](const auto& parameter) { return parameter.param; });

TEST_P(RecoveryTest, KillingTheIoProcessCostsNoError) {
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
      std::cout << "longest pause " << verifier->longest_pause() << "\n";
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

TEST_P(RecoveryTest, KillingBerthDataAndAllItsProcessesCostsNoError) {
  const Attachment attachment = PublishAndAttach();
  {
    Verifier first(attachment.device, 0, 512);
    Verifier second(attachment.device, 512, 512);
    for (int kill = 0; kill < 3; ++kill) {
      ASSERT_TRUE(first.Progresses(50, absl::Seconds(30)));
      KillServer();
      RestartServer();
      const auto listed = Listed();
      ASSERT_TRUE(listed.has_value())
          << "what berth-node has kept is there from the first answer on";
      EXPECT_EQ(listed->device, attachment.device);
    }
    ASSERT_TRUE(first.Progresses(50, absl::Seconds(30)));
    for (Verifier* verifier : {&first, &second}) {
      verifier->Stop();
      EXPECT_EQ(verifier->failure(), "");
      std::cout << "longest pause " << verifier->longest_pause() << "\n";
    }
  }
  EXPECT_EQ(Claim().instances, std::vector<std::string>{Listed()->instance});
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
}

// All successors serve at about the same time and report their images' sizes, and berth-data, which
// goes from volume to volume, tells them to make room just then. Requests of whoever takes the size
// wait for the next process, and nothing may keep the supervisor from starting it.
TEST_P(RecoveryTest, ManyVolumesAreServedAgainAfterEachKill) {
  const Attachment attachment = PublishAndAttach();
  std::vector<std::string> devices = {attachment.device};
  for (const char* image : {"w", "x", "y"}) devices.push_back(AttachAnother(image).device);
  std::vector<std::unique_ptr<Verifier>> verifiers;
  for (const std::string& device : devices) {
    verifiers.push_back(std::make_unique<Verifier>(device, 0, 512));
  }
  for (int kill = 0; kill < 8; ++kill) {
    KillServer();
    RestartServer();
    for (const auto& verifier : verifiers) {
      ASSERT_TRUE(verifier->Progresses(10, absl::Seconds(30))) << "after kill " << kill;
    }
  }
  for (const auto& verifier : verifiers) {
    verifier->Stop();
    EXPECT_EQ(verifier->failure(), "");
  }
}

// The next berth-data finds a process that was told something by the one before, or has told it
// something: to make room, that it has opened the image.
TEST_P(RecoveryTest, BerthDataMayDieWhileItsProcessesMakeRoom) {
  const Attachment attachment = PublishAndAttach();
  Verifier verifier(attachment.device, 0, 512);
  for (int kill = 0; kill < 30; ++kill) {
    const std::string instance = Listed()->instance;
    KillServerAlone();
    RestartServerWithoutWaiting();
    // Somewhere in this time it tells the process to make room.
    std::this_thread::sleep_for(std::chrono::milliseconds(15 + 3 * kill));
    KillServerAlone();
    RestartServer();
    ASSERT_TRUE(verifier.Progresses(10, absl::Seconds(30))) << "after kill " << kill;
    ASSERT_TRUE(InstanceChangesFrom(instance)) << "after kill " << kill;
  }
  verifier.Stop();
  EXPECT_EQ(verifier.failure(), "");
}

TEST_P(RecoveryTest, ARestartedKeeperIsToldAgain) {
  StopKeeper();
  const Attachment attachment = PublishAndAttach();
  Verifier verifier(attachment.device, 0, 512);
  StartKeeper();
  ASSERT_TRUE(BecomesKept());
  KillServer();
  RestartServer();
  EXPECT_TRUE(verifier.Progresses(50, absl::Seconds(30)));
  verifier.Stop();
  EXPECT_EQ(verifier.failure(), "");
}

TEST_P(RecoveryTest, AnOrphanedIoProcessMakesRoom) {
  const Attachment attachment = PublishAndAttach();
  Verifier verifier(attachment.device, 0, 512);
  ASSERT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  const std::string instance = Listed()->instance;
  KillServerAlone();
  EXPECT_TRUE(verifier.Progresses(20, absl::Seconds(30))) << "it goes on serving";
  RestartServer();
  EXPECT_TRUE(InstanceChangesFrom(instance));
  EXPECT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  verifier.Stop();
  EXPECT_EQ(verifier.failure(), "");
}

// As when both DaemonSets were deleted under a pod: whether the last process is dead nobody knows.
TEST_P(RecoveryTest, AVolumeThatNobodyRemembersIsAttachedAndTakenBack) {
  StopKeeper();
  const Attachment forgotten = PublishAndAttach();
  ASSERT_EQ(DeviceFile(forgotten.device, O_RDWR).WriteBlock(0, 7), 0);
  KillServer();
  RestartServer();
  {
    const Fd device(open(forgotten.device.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(ioctl(device.get(), LOOP_CLR_FD), 0);  // the node's part: nobody serves it any more
  }
  const Attachment attachment = PublishAndAttach();
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(attachment.device, O_RDONLY).ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 7U);
  EXPECT_EQ(Claim().instances, (std::vector<std::string>{forgotten.instance, attachment.instance}))
      << "its fence still has to get a record";
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  RealClock clock;
  Nodes nodes(connections(), clock);
  const Status taken = Publishing(connections(), nodes, clock, kFenceDuration)
                           .Unpublish(Handle(kImage), kNode, std::nullopt);
  EXPECT_TRUE(taken.ok()) << taken;
  EXPECT_TRUE(*OpenPool()->fences.Contains(forgotten.instance));
}

TEST_P(RecoveryTest, WhatIsDetachedIsNotKept) {
  const Attachment attachment = PublishAndAttach();
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  KillServer();
  RestartServer();
  EXPECT_FALSE(Listed().has_value());
}

TEST_P(RecoveryTest, AFencedDeviceAnswersErrorsAndGoesQuietly) {
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

TEST_P(RecoveryTest, ASuccessorIsRefusedOnceTheClaimIsRevoked) {
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
