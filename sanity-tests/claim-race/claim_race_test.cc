#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/process.h"
#include "race.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volumes.h"

namespace berth {

Scoreboard& MapScoreboard(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid() || ftruncate(file.get(), sizeof(Scoreboard)) != 0) {
    throw std::runtime_error("cannot make " + path);
  }
  void* memory =
      mmap(nullptr, sizeof(Scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  return *static_cast<Scoreboard*>(memory);
}

namespace {

constexpr absl::Duration kTimeLimit = absl::Minutes(8);

uint64_t Setting(const char* name, uint64_t fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::strtoull(value, nullptr, 10);
}

class ClaimRaceTest : public CephTest {
 protected:
  ClaimRaceTest() {
    CreateVolumeOptions options;
    options.request_name = "raced";
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = 4 << 20;
    const RealClock clock;
    if (!Volumes(connections(), clock).Create(options).ok()) throw std::runtime_error("no volume");
  }
  ~ClaimRaceTest() override {
    board_.stop = true;
    for (ChildProcess& child : children_) {
      if (!child.Wait(absl::Now() + absl::Seconds(60)).ok()) {
        child.Signal(SIGKILL).IgnoreError();
        child.Wait(absl::InfiniteFuture()).IgnoreError();
      }
    }
    std::filesystem::remove(path_);
  }

  void Start(const std::string& role, uint64_t seed) {
    const char* clusters = std::getenv("BERTH_CLUSTERS");
    ASSERT_NE(clusters, nullptr) << "run this by ./dev test real";
    StatusOr<ChildProcess> child = ChildProcess::Start(
        {"/proc/self/exe", role, clusters, Handle("raced").ToString(), path_, std::to_string(seed)},
        {});
    ASSERT_TRUE(child.ok()) << child.status();
    children_.push_back(*std::move(child));
  }

  // How often the claim was given out and taken back: each raises its epoch by one.
  uint64_t Rounds() { return OpenPool()->registry.Get("raced")->writer.epoch / 2; }

  const std::string path_ = fmt::format("/dev/shm/berth-race-{}", getpid());
  Scoreboard& board_ = MapScoreboard(path_);
  std::vector<ChildProcess> children_;
};

TEST_F(ClaimRaceTest, NeverTwoWriters) {
  const uint64_t rounds = Setting("BERTH_RACE_ROUNDS", 2000);
  const uint64_t seed =
      Setting("BERTH_RACE_SEED", static_cast<uint64_t>(absl::ToUnixMicros(absl::Now())));
  fmt::print("seed {} (BERTH_RACE_SEED repeats its choices), {} rounds\n", seed, rounds);
  for (const char* role : {"controller", "controller", "n1", "n2"}) {
    Start(role, seed + children_.size());
  }
  const absl::Time limit = absl::Now() + kTimeLimit;
  // The end of a child is the only event to wait for; the board has none, so it is looked at
  // meanwhile.
  while (Rounds() < rounds && board_.violations == 0 && board_.errors == 0 && absl::Now() < limit) {
    const StatusOr<int> ended = children_.front().Wait(absl::Now() + absl::Milliseconds(50));
    ASSERT_EQ(ended.status().code(), absl::StatusCode::kDeadlineExceeded) << "a controller died";
  }
  fmt::print("{} grants, {} acknowledged writes, {} writers fenced\n", board_.grants.load(),
             board_.writes.load(), board_.fenced.load());
  EXPECT_EQ(board_.violations, 0U);
  EXPECT_EQ(board_.errors, 0U);
  EXPECT_GE(Rounds(), rounds) << "too slow";
  EXPECT_GT(board_.grants, rounds / 20) << "a race in which nobody writes shows little";
  EXPECT_GT(board_.fenced, 0U) << "nor does one in which nobody is fenced";
}

// A child process: role, clusters, volume, scoreboard, seed.
int RunRole(char** words) {
  Connections connections(ClusterDirectory(words[2]), std::chrono::seconds(20));
  const StatusOr<VolumeHandle> volume = ParseVolumeHandle(words[3]);
  if (!volume.ok()) return 2;
  Scoreboard& board = MapScoreboard(words[4]);
  const uint64_t seed = std::strtoull(words[5], nullptr, 10);
  const std::string role = words[1];
  if (role == "controller") {
    RunController(connections, *volume, board, seed);
  } else {
    RunNode(connections, *volume, role, board, seed);
  }
  return 0;
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  if (argc == 6) return berth::RunRole(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
