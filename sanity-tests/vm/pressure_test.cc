// Writeback while memory is short: dirty pages go through the loop device and FUSE to a process
// that must not need the memory that they take. Any cycle in that shows as tasks that hang.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/klog.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/fd.h"
#include "sanity-tests/vm/csi_node.h"

namespace berth {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr int kReadLog = 3;  // SYSLOG_ACTION_READ_ALL

uint64_t MemoryBytes() {
  struct sysinfo info = {};
  EXPECT_EQ(sysinfo(&info), 0);
  return info.totalram * info.mem_unit;
}

// The kernel reports whatever waits for longer than that without a pause.
void ReportTasksThatHangFor(int seconds) {
  const std::string directory = "/proc/sys/kernel/hung_task_";
  std::ofstream(directory + "timeout_secs") << seconds;
  std::ofstream(directory + "check_interval_secs") << 5;
  int found = 0;
  std::ifstream(directory + "timeout_secs") >> found;
  ASSERT_EQ(found, seconds) << "this kernel reports no tasks that hang";
}

std::string KernelLog() {
  std::vector<char> buffer(1 << 20);
  const int count = klogctl(kReadLog, buffer.data(), static_cast<int>(buffer.size()));
  EXPECT_GE(count, 0);
  return {buffer.data(), static_cast<size_t>(std::max(count, 0))};
}

void FillChunk(std::vector<uint64_t>& words, uint64_t chunk) {
  for (size_t i = 0; i < words.size(); ++i) words[i] = chunk * words.size() + i;
}

class PressureTest : public testing::TestWithParam<std::string> {};

TEST_P(PressureTest, ThreeTimesTheMemoryIsWrittenBack) {
  ReportTasksThatHangFor(30);
  const uint64_t bytes = 3 * MemoryBytes() / kChunkBytes * kChunkBytes;
  CsiNode node("/run/berth-" + GetParam(), GetParam());
  const auto volume =
      node.CreateVolume("vm-pressure-" + GetParam(), static_cast<int64_t>(bytes + bytes / 8));
  ASSERT_TRUE(volume.ok()) << volume.status();
  const auto context = node.ControllerPublish(*volume);
  ASSERT_TRUE(context.ok()) << context.status();
  Status status = node.Stage(*volume, *context);
  ASSERT_TRUE(status.ok()) << status;

  const absl::Time begin = absl::Now();
  {
    const Fd file(
        open((node.staging_path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(file.valid());
    std::vector<uint64_t> words(kChunkBytes / sizeof(uint64_t));
    for (uint64_t chunk = 0; chunk < bytes / kChunkBytes; ++chunk) {
      FillChunk(words, chunk);
      ASSERT_EQ(write(file.get(), words.data(), kChunkBytes), static_cast<ssize_t>(kChunkBytes));
    }
    ASSERT_EQ(fsync(file.get()), 0);
    std::printf("%s: %llu MiB through %llu MiB of memory in %.1f s\n", GetParam().c_str(),
                static_cast<unsigned long long>(bytes >> 20),
                static_cast<unsigned long long>(MemoryBytes() >> 20),
                absl::ToDoubleSeconds(absl::Now() - begin));
    // Three times the memory: most of it comes from the image now.
    std::vector<uint64_t> found(words.size());
    for (uint64_t chunk = 0; chunk < bytes / kChunkBytes; chunk += 16) {
      FillChunk(words, chunk);
      ASSERT_EQ(
          pread(file.get(), found.data(), kChunkBytes, static_cast<off_t>(chunk * kChunkBytes)),
          static_cast<ssize_t>(kChunkBytes));
      ASSERT_TRUE(found == words) << "chunk " << chunk;
    }
  }
  status = node.Unstage(*volume);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(node.ControllerUnpublish(*volume).ok());
  EXPECT_TRUE(node.DeleteVolume(*volume).ok());
  const std::string log = KernelLog();
  EXPECT_EQ(log.find("blocked for more than"), std::string::npos) << log;
  EXPECT_EQ(log.find("Out of memory"), std::string::npos) << log;
}

INSTANTIATE_TEST_SUITE_P(Mounters, PressureTest, testing::Values("fuse"),
                         [](const auto& mounter) { return mounter.param; });

}  // namespace
}  // namespace berth
