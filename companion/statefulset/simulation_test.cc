// A set through thousands of unlucky lives. BERTH_SEED=n runs that one life again and prints it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "companion/statefulset/testing/simulated_cluster.h"

namespace berth::statefulset {
namespace {

constexpr int kSteps = 300;
constexpr uint64_t kSeeds = 10000;

std::string Live(uint64_t seed) {
  SimulatedCluster cluster(seed);
  for (int i = 0; i < kSteps; ++i) cluster.Step();
  if (cluster.failure().empty()) cluster.Converges();
  return cluster.failure();
}

TEST(Simulation, PromisesAreKept) {
  if (const char* seed = std::getenv("BERTH_SEED")) {
    EXPECT_EQ(Live(std::strtoull(seed, nullptr, 10)), "");
    return;
  }
  int broken = 0;
  for (uint64_t seed = 1; seed <= kSeeds && broken < 3; ++seed) {
    const std::string failure = Live(seed);
    if (failure.empty()) continue;
    ++broken;
    ADD_FAILURE() << "BERTH_SEED=" << seed << ": " << failure;
  }
}

}  // namespace
}  // namespace berth::statefulset
