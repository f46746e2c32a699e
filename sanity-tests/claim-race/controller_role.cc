#include <cstdio>
#include <random>
#include <thread>

#include "race.h"
#include "rbd/publishing.h"

namespace berth {
namespace {

constexpr uint64_t kMaxThinkTimeUs = 20'000;

// Refusals that the other controller's work explains.
bool IsExpected(const Status& status) {
  return status.ok() || status.code() == absl::StatusCode::kFailedPrecondition ||
         status.code() == absl::StatusCode::kAborted;
}

}  // namespace

void RunController(Connections& connections, const VolumeHandle& volume, Scoreboard& board,
                   uint64_t seed) {
  std::mt19937_64 random(seed);
  const RealClock clock;
  Nodes nodes(connections, clock);
  Publishing publishing(connections, nodes, clock, std::chrono::hours(1));
  while (!board.stop) {
    // Think time, so that some holders get as far as writing and others are cut off at any point
    // before.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % kMaxThinkTimeUs));
    const std::string node = random() % 2 == 0 ? "n1" : "n2";
    const Status status =
        random() % 3 == 0
            ? publishing.Unpublish(volume, random() % 8 == 0 ? "" : node, {})
            : publishing.Publish(volume, node, AccessMode::kReadWriteOnce, {}).status();
    if (!IsExpected(status)) {
      ++board.errors;
      std::fprintf(stderr, "controller: %s\n", std::string(status.message()).c_str());
    }
  }
}

}  // namespace berth
