#include "companion/rollout/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "companion/statefulset/labels.h"

namespace berth::rollout {
namespace {

using statefulset::StatefulSet;
using ::testing::HasSubstr;

// Three replicas, all of them ready and of one revision.
StatefulSet Rolled() {
  StatefulSet set;
  set.resource = statefulset::kBerthStatefulSets;
  set.key = {"shop", "web"};
  set.generation = 4;
  set.ordinals = statefulset::Ordinals(0, 3);
  set.status = {.observed_generation = 4,
                .replicas = 3,
                .ready = 3,
                .available = 3,
                .current = 3,
                .updated = 3,
                .current_revision = "web-a",
                .update_revision = "web-a"};
  return set;
}

kube::core::Pod ReadyPod(const std::string& name, const std::string& revision) {
  kube::core::Pod pod;
  pod.mutable_metadata()->set_name(name);
  (*pod.mutable_metadata()->mutable_labels())[statefulset::kRevisionLabel] = revision;
  pod.mutable_status()->set_phase("Running");
  kube::core::PodCondition& ready = *pod.mutable_status()->add_conditions();
  ready.set_type("Ready");
  ready.set_status("True");
  return pod;
}

TEST(Progress, CompleteWhenAllPodsHaveTheRevisionAndAreReady) {
  const StatusOr<Progress> progress = ProgressOf(Rolled());
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_TRUE(progress->complete);
  EXPECT_EQ(progress->message, "rollout complete: 3 pods have revision web-a");
}

TEST(Progress, WaitsForTheControllerToSeeTheSpec) {
  StatefulSet set = Rolled();
  set.generation = 5;
  EXPECT_FALSE(ProgressOf(set)->complete);
  EXPECT_THAT(ProgressOf(set)->message, HasSubstr("newest spec"));
  set.generation = 0;
  set.status.observed_generation = 0;
  EXPECT_FALSE(ProgressOf(set)->complete);
}

TEST(Progress, WaitsForReadyPodsFirst) {
  StatefulSet set = Rolled();
  set.status.ready = 1;
  set.status.update_revision = "web-b";
  EXPECT_FALSE(ProgressOf(set)->complete);
  EXPECT_EQ(ProgressOf(set)->message, "waiting for pods to be ready: 1 of 3 are");
}

TEST(Progress, WaitsForTheUpdateRevision) {
  StatefulSet set = Rolled();
  set.status.update_revision = "web-b";
  set.status.updated = 2;
  EXPECT_FALSE(ProgressOf(set)->complete);
  EXPECT_EQ(ProgressOf(set)->message,
            "waiting for the rolling update: 2 of 3 pods have the new revision web-b");
}

TEST(Progress, APartitionAsksForFewerPods) {
  StatefulSet set = Rolled();
  set.partition = 2;
  set.status.update_revision = "web-b";
  set.status.updated = 0;
  EXPECT_FALSE(ProgressOf(set)->complete);
  EXPECT_THAT(ProgressOf(set)->message, HasSubstr("0 of 1 pods"));
  set.status.updated = 1;
  EXPECT_TRUE(ProgressOf(set)->complete);
  set.partition = 7;
  set.status.updated = 0;
  EXPECT_TRUE(ProgressOf(set)->complete);
}

TEST(Progress, OnDeleteRollsNothingOut) {
  StatefulSet set = Rolled();
  set.update_strategy = statefulset::UpdateStrategy::kOnDelete;
  EXPECT_EQ(ProgressOf(set).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Laggards, NamesPodsAndReasons) {
  StatefulSet set = Rolled();
  set.status.update_revision = "web-b";
  kube::core::Pod waiting = ReadyPod("web-1", "web-b");
  waiting.mutable_status()->mutable_conditions(0)->set_status("False");
  waiting.mutable_status()->add_containerstatuses()->mutable_state()->mutable_waiting()->set_reason(
      "ImagePullBackOff");
  EXPECT_EQ(Laggards(set, {ReadyPod("web-0", "web-a"), waiting, ReadyPod("other-2", "web-b")}),
            "web-1 (ImagePullBackOff), web-2 (does not exist)");
}

TEST(Laggards, OfReadyPodsThoseOfAnOlderRevision) {
  StatefulSet set = Rolled();
  set.status.update_revision = "web-b";
  EXPECT_EQ(Laggards(set, {ReadyPod("web-0", "web-a"), ReadyPod("web-1", "web-a"),
                           ReadyPod("web-2", "web-b")}),
            "web-0 (has the old revision), web-1 (has the old revision)");
}

// Updates begin at the highest number, where the culprit is.
TEST(Laggards, AStuckUpdateNamesTheUnreadyPod) {
  StatefulSet set = Rolled();
  set.ordinals = statefulset::Ordinals(0, 5);
  set.status.update_revision = "web-b";
  kube::core::Pod ending = ReadyPod("web-4", "web-b");
  ending.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
  EXPECT_EQ(Laggards(set, {ReadyPod("web-0", "web-a"), ReadyPod("web-1", "web-a"),
                           ReadyPod("web-2", "web-a"), ReadyPod("web-3", "web-a"), ending}),
            "web-4 (ending)");
}

TEST(Laggards, SaysWhatTheSchedulerSays) {
  StatefulSet set = Rolled();
  kube::core::Pod pending;
  pending.mutable_metadata()->set_name("web-2");
  pending.mutable_status()->set_phase("Pending");
  kube::core::PodCondition& scheduled = *pending.mutable_status()->add_conditions();
  scheduled.set_type("PodScheduled");
  scheduled.set_status("False");
  scheduled.set_message("0/2 nodes are available");
  EXPECT_EQ(Laggards(set, {ReadyPod("web-0", "web-a"), ReadyPod("web-1", "web-a"), pending}),
            "web-2 (0/2 nodes are available)");
}

TEST(Laggards, NoneOfARolledOutSetAndNoneBelowThePartition) {
  StatefulSet set = Rolled();
  set.partition = 1;
  set.status.update_revision = "web-b";
  EXPECT_EQ(Laggards(set, {ReadyPod("web-0", "web-a"), ReadyPod("web-1", "web-b"),
                           ReadyPod("web-2", "web-b")}),
            "");
}

// A set of a thousand million replicas is asked for by mistake sooner or later.
TEST(Laggards, AtMostThree) {
  StatefulSet set = Rolled();
  set.ordinals = statefulset::Ordinals(0, 1'000'000'000);
  EXPECT_EQ(Laggards(set, {}),
            "web-0 (does not exist), web-1 (does not exist), web-2 (does not exist)");
}

}  // namespace
}  // namespace berth::rollout
