#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "programs.h"
#include "schedule.h"
#include "world.h"

namespace berth::exploration {
namespace {

constexpr auto kPublish = Call::Kind::kPublish;
constexpr auto kUnpublish = Call::Kind::kUnpublish;

// Node A has the volume at the beginning. Two controllers, each with calls of its own.
struct Scenario {
  std::vector<Call> first;
  std::vector<Call> second = {};
};

const std::vector<Call> kMoveToB = {{kUnpublish, "A"}, {kPublish, "B"}};

// The pod moves to B.
const Scenario kMoved = {.first = kMoveToB};
// The same, by two controllers that both believe to be the leader.
const Scenario kTwoLeaders = {.first = kMoveToB, .second = kMoveToB};
// One moves the pod to B, and the other, behind the times, gives the volume back to A.
const Scenario kOpposed = {.first = kMoveToB, .second = {{kUnpublish, "A"}, {kPublish, "A"}}};
// An administrator takes it from whoever has it while a controller moves the pod.
const Scenario kFencedByHand = {.first = kMoveToB, .second = {{kUnpublish, ""}}};

// Whatever happened: one controller that nobody disturbs gives the volume to B, which uses it.
void CheckThatItGoesOn(World& world, Orchestrator& orchestrator) {
  Controller controller(world, orchestrator, "last", {});
  const auto hold = [&world](const Status& status, const char* what) {
    if (!status.ok()) {
      world.promise.Break(fmt::format("at the end, {}: {}", what, status.ToString()));
    }
  };
  const auto make = [&](const Call& call) {
    const Status status = controller.Make(call);
    hold(status, call.kind == kPublish ? "publish" : "unpublish");
    if (status.ok()) controller.Hear(call);
  };
  make({kUnpublish, ""});
  make({kPublish, "B"});
  Node node(world, orchestrator, "B");
  node.SetProcesses(100);
  hold(node.Use(orchestrator.staged["B"]), "use");
  make({kUnpublish, "B"});
}

// One run of `scenario`. What was broken, or nothing.
std::optional<std::string> RunOnce(const Scenario& scenario, const Rules& rules, Schedule& schedule,
                                   std::function<void(const std::string&)> trace) {
  World world(schedule, rules);
  world.trace = std::move(trace);
  Orchestrator orchestrator;
  world.shared_state = [&orchestrator] { return orchestrator.Fingerprint(); };
  MakeVolume(world);
  Controller first(world, orchestrator, "c1", scenario.first);
  Controller second(world, orchestrator, "c2", scenario.second);
  EXPECT_TRUE(first.Make({kPublish, "A"}).ok());
  first.Hear({kPublish, "A"});
  Node a(world, orchestrator, "A");
  Node b(world, orchestrator, "B");
  const bool same = scenario.first == scenario.second && !rules.late_arrivals;
  world.Add("c1", same ? "c" : "c1", true, [&] { first.Run(); });
  world.Add("c2", same ? "c" : "c2", true, [&] { second.Run(); });
  world.Add("A", "A", false, [&] { a.Run(); });
  world.Add("B", "B", false, [&] { b.Run(); });
  if (world.Run() && !world.promise.broken()) CheckThatItGoesOn(world, orchestrator);
  return world.promise.broken();
}

struct Outcome {
  size_t states = 0;
  uint64_t runs = 0;
  std::string broken;  // and how it came to it; empty when the promise held
};

Outcome Explore(const Scenario& scenario, const Rules& rules) {
  Schedule schedule;
  do {
    const auto broken = RunOnce(scenario, rules, schedule, nullptr);
    if (!broken) continue;
    std::string how = *broken;
    schedule.Again();
    RunOnce(scenario, rules, schedule, [&how](const std::string& step) { how += "\n" + step; });
    return {schedule.states(), schedule.runs(), how};
  } while (schedule.Advance());
  return {schedule.states(), schedule.runs(), ""};
}

void ExpectKept(const Scenario& scenario, const Rules& rules) {
  const Outcome outcome = Explore(scenario, rules);
  EXPECT_TRUE(outcome.broken.empty()) << outcome.broken;
  fmt::print("{} states in {} runs\n", outcome.states, outcome.runs);
}

TEST(ClaimProtocol, TwoLeaders) { ExpectKept(kTwoLeaders, {}); }
TEST(ClaimProtocol, TwoLeadersAndACrash) { ExpectKept(kTwoLeaders, {.faults = 1}); }
TEST(ClaimProtocol, Opposed) { ExpectKept(kOpposed, {}); }
TEST(ClaimProtocol, FencedByHand) { ExpectKept(kFencedByHand, {}); }
TEST(ClaimProtocol, WhatWasSentArrivesLate) {
  ExpectKept(kMoved, {.faults = 1, .late_arrivals = true});
}
TEST(ClaimProtocol, AnHourPasses) { ExpectKept(kMoved, {.faults = 1, .hour_passes = true}); }
TEST(ClaimProtocol, WithCapsToLiftFences) { ExpectKept(kMoved, {.faults = 1, .may_lift = true}); }

TEST(ClaimProtocolAtLength, TwoCrashes) { ExpectKept(kMoved, {.faults = 2}); }
TEST(ClaimProtocolAtLength, OpposedAndACrash) { ExpectKept(kOpposed, {.faults = 1}); }
TEST(ClaimProtocolAtLength, FencedByHandAndACrash) { ExpectKept(kFencedByHand, {.faults = 1}); }

// The exploration itself: each promise of Ceph's that the protocol stands on is missed at once.
void ExpectBroken(const MemoryRados::Faults& broken_ceph) {
  const Outcome outcome = Explore(kMoved, {.faults = 1, .broken_ceph = broken_ceph});
  EXPECT_FALSE(outcome.broken.empty());
}
TEST(ClaimProtocol, FindsAFenceThatDoesNotHold) { ExpectBroken({.ignores_fences = true}); }
TEST(ClaimProtocol, FindsANextWriterOnAnOldMap) { ExpectBroken({.answers_with_an_old_map = true}); }
TEST(ClaimProtocol, FindsAnUpdateThatDoesNotCompare) {
  ExpectBroken({.sets_without_comparing = true});
}

}  // namespace
}  // namespace berth::exploration
