// The data path while Ceph is away or full: I/O waits and goes on.

#include <fcntl.h>

#include <chrono>
#include <future>
#include <iostream>

#include "absl/time/clock.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/device_file.h"
#include "sanity-tests/data-path/ceph_daemons.h"
#include "sanity-tests/data-path/verifying_fio.h"

namespace berth {
namespace {

class OutageTest : public DataPathTest {
 protected:
  // Ends what a test that failed half-way has begun.
  ~OutageTest() override {
    EXPECT_TRUE(StartCephDaemon("ceph-mon").ok());
    EXPECT_TRUE(StartCephDaemon("ceph-osd").ok());
    EXPECT_TRUE(SetPoolQuota(kPool, 0).ok());
    EXPECT_TRUE(PoolBecomes(/*full=*/false));
  }

  void Survives(const std::string& daemon) {
    const Attachment attachment = PublishAndAttach();
    VerifyingFio fio(attachment.device, 32, SurvivalDuration(), directory() + "/fio.json");
    absl::SleepFor(absl::Seconds(1));
    ASSERT_TRUE(KillCephDaemon(daemon).ok());
    absl::SleepFor(absl::Seconds(1));
    ASSERT_TRUE(StartCephDaemon(daemon).ok());
    const auto result = fio.Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    std::cout << daemon << " restarted: " << result->operations
              << " operations verified, longest pause " << result->longest_pause << "\n";
    EXPECT_TRUE(Listed()->healthy);
    EXPECT_EQ(Listed()->instance, attachment.instance) << "an outage is no reason to start anew";
  }

  static bool PoolBecomes(bool full) {
    for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
      if (const auto is_full = IsPoolFull(kPool); is_full.ok() && *is_full == full) return true;
    }
    return false;
  }
};

TEST_F(OutageTest, AnOsdIsRestarted) { Survives("ceph-osd"); }

TEST_F(OutageTest, TheMonitorIsRestarted) { Survives("ceph-mon"); }

TEST_F(OutageTest, TheIoProcessDiesWhileCephIsAway) {
  const Attachment attachment = PublishAndAttach();
  DeviceFile device(attachment.device, O_RDWR);
  ASSERT_EQ(device.WriteBlock(0, 1), 0);
  ASSERT_TRUE(KillCephDaemon("ceph-osd").ok());
  auto write = std::async(std::launch::async, [&device] { return device.WriteBlock(0, 2); });
  KillIoProcess();
  EXPECT_EQ(write.wait_for(std::chrono::seconds(3)), std::future_status::timeout);
  ASSERT_TRUE(StartCephDaemon("ceph-osd").ok());
  EXPECT_EQ(write.get(), 0);
  uint64_t stamp = 0;
  EXPECT_EQ(device.ReadBlock(0, stamp), 0);
  EXPECT_EQ(stamp, 2U);
}

TEST_F(OutageTest, AFullPoolMakesWritesWaitAndTheyGoOn) {
  const Attachment attachment = PublishAndAttach();
  DeviceFile device(attachment.device, O_RDWR);
  for (uint64_t block = 0; block < 1024; ++block) ASSERT_EQ(device.WriteBlock(block, 1), 0);
  ASSERT_TRUE(SetPoolQuota(kPool, 1).ok());
  ASSERT_TRUE(PoolBecomes(/*full=*/true));
  auto write = std::async(std::launch::async, [&device] {
    // One that is on its way before the client knows may still pass.
    int error = 0;
    for (uint64_t round = 0; round < 3 && error == 0; ++round) {
      error = device.WriteBlock(round, round + 2);
    }
    return error;
  });
  EXPECT_EQ(write.wait_for(std::chrono::seconds(2)), std::future_status::timeout);
  uint64_t stamp = 0;
  EXPECT_EQ(DeviceFile(attachment.device, O_RDONLY).ReadBlock(512, stamp), 0)
      << "what is there can be read";
  EXPECT_EQ(stamp, 1U);
  EXPECT_TRUE(BecomesStalled(true)) << "and somebody who asks is told";
  ASSERT_TRUE(SetPoolQuota(kPool, 0).ok());
  EXPECT_EQ(write.get(), 0);
  EXPECT_EQ(device.ReadBlock(2, stamp), 0);
  EXPECT_EQ(stamp, 4U);
  EXPECT_TRUE(BecomesStalled(false));
}

}  // namespace
}  // namespace berth
