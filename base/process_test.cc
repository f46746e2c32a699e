#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "absl/time/clock.h"

namespace berth {
namespace {

absl::Time In(int seconds) { return absl::Now() + absl::Seconds(seconds); }

TEST(RunProcess, ExitCodeAndOutput) {
  const auto result = RunProcess({"sh", "-c", "echo out; echo err >&2; exit 3"}, In(30));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->output, "out\nerr\n");
}

TEST(RunProcess, PassesNoEnvironment) {
  setenv("BERTH_TEST_SECRET", "leak", 1);
  const auto result = RunProcess({"env"}, In(30));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output.find("leak"), std::string::npos);
  EXPECT_NE(result->output.find("LC_ALL=C"), std::string::npos);
}

TEST(RunProcess, ProgramThatDoesNotExist) {
  const Status status = RunProcess({"no-such-program"}, In(30)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("no-such-program"), std::string::npos);
}

TEST(RunProcess, EndsWhatDoesNotEndInTime) {
  EXPECT_EQ(RunProcess({"sleep", "60"}, absl::Now() + absl::Milliseconds(50)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(RunProcess, KeepsTheEndOfLongOutput) {
  const auto result = RunProcess({"sh", "-c", "seq 1 100000; echo last"}, In(30));
  ASSERT_TRUE(result.ok());
  EXPECT_LE(result->output.size(), 16U * 1024);
  EXPECT_NE(result->output.find("100000\nlast\n"), std::string::npos);
}

TEST(ChildProcess, SeesOnlyTheNamedDescriptors) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const Fd leaky(
      fcntl(reader.get(), F_DUPFD, 20));  // as a library that forgets close-on-exec has it
  auto child = ChildProcess::Start({"python3", "-c",
                                    "import os; os.write(7, str([fd for fd in range(64) if "
                                    "os.path.exists(f'/proc/self/fd/{fd}')]).encode())"},
                                   {{writer.get(), 7}});
  ASSERT_TRUE(child.ok()) << child.status();
  writer.Reset();
  EXPECT_EQ(*child->Wait(In(30)), 0);
  char buffer[128] = {};
  ASSERT_GT(read(reader.get(), buffer, sizeof buffer - 1), 0);
  EXPECT_EQ(std::string(buffer), "[0, 1, 2, 7]");
}

TEST(ChildProcess, WaitAndSignal) {
  auto child = ChildProcess::Start({"sleep", "60"}, {});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->Wait(absl::Now()).status().code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(child->Signal(SIGKILL).ok());
  EXPECT_EQ(*child->Wait(In(30)), 128 + SIGKILL);
}

}  // namespace
}  // namespace berth
