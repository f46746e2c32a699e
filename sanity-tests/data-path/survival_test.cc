// The data path under a verifying fio while its processes are killed and replaced, again and again.

#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "base/process.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "sanity-tests/data-path/verifying_fio.h"

namespace berth {
namespace {

// Between two blows: longer than what a supervisor takes for a process that keeps crashing.
constexpr absl::Duration kBetween = absl::Milliseconds(1200);

class SurvivalTest : public DataPathTest, public ::testing::WithParamInterface<std::string> {
 protected:
  SurvivalTest() : DataPathTest({"--request-recovery", GetParam()}) {}

  // Loads the device, and strikes as long as the load lasts.
  void Survives(const std::string& what, const std::function<void()>& strike, int depth = 32) {
    const Attachment attachment = PublishAndAttach();
    VerifyingFio fio(attachment.device, depth, SurvivalDuration(), directory() + "/fio.json");
    int strikes = 0;
    for (; fio.running(); ++strikes) {
      absl::SleepFor(kBetween);
      strike();
    }
    const auto result = fio.Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    std::cout << what << ", " << GetParam() << ": " << strikes << " times, " << result->operations
              << " operations verified, longest pause " << result->longest_pause << "\n";
    EXPECT_GT(strikes, 1);
    EXPECT_GT(result->operations, 0U);
    EXPECT_TRUE(Listed()->healthy);
  }
};

INSTANTIATE_TEST_SUITE_P(By, SurvivalTest, ::testing::Values("resend", "replay"),
                         [](const auto& parameter) { return parameter.param; });

TEST_P(SurvivalTest, IoProcessKilled) {
  Survives("I/O process killed", [this] { KillIoProcess(); });
}

TEST_P(SurvivalTest, BerthDataAndIoProcessKilled) {
  Survives("berth-data and its I/O process killed", [this] {
    KillServer();
    RestartServer();
  });
}

TEST_P(SurvivalTest, BerthDataUpgraded) {
  Survives("berth-data upgraded", [this] { EXPECT_TRUE(Upgrade().ok()); });
}

// What the load itself has of pauses on this machine, one operation after another.
TEST_P(SurvivalTest, Undisturbed) {
  Survives(
      "undisturbed", [] {}, 1);
}

// I/O does not pass through berth-node: the pause is the same.
TEST_P(SurvivalTest, BerthNodeKilled) {
  StopKeeper();
  const auto start = [this] {
    auto node = ChildProcess::Start(
        {BERTH_NODE_PROGRAM, "--csi-endpoint", "unix://" + directory() + "/csi.sock", "--node-id",
         kNode, "--clusters", std::getenv("BERTH_CLUSTERS"), "--data-socket", socket_path(),
         "--state-dir", directory() + "/state"},
        {});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  };
  ChildProcess node = start();
  Survives(
      "berth-node killed",
      [&] {
        EXPECT_TRUE(node.Signal(SIGKILL).ok());
        EXPECT_TRUE(node.Wait(Soon()).ok());
        node = start();
      },
      1);
  // The last one has been told everything, as the first one was.
  EXPECT_TRUE(BecomesKept());
  KillServer();
  RestartServer();
  EXPECT_TRUE(Listed().has_value());
  EXPECT_TRUE(node.Signal(SIGTERM).ok());
  EXPECT_EQ(node.Wait(Soon()).value_or(-1), 0);
}

}  // namespace
}  // namespace berth
