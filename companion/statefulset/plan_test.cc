#include "companion/statefulset/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "companion/statefulset/expectations.h"
#include "companion/statefulset/labels.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Each test says what there is and reads the plan as words: "create web-1 new".
class PlanTest : public ::testing::Test {
 protected:
  PlanTest() {
    set_.resource = kAppsStatefulSets;
    set_.key = {"shop", "web"};
    set_.uid = "su";
    set_.ordinals = Ordinals(0, 3);
    set_.partition = 0;
  }

  ObservedPod& Add(int ordinal, const std::string& revision = "old") {
    ObservedPod pod;
    pod.name = set_.PodName(ordinal);
    pod.uid = "uid-" + pod.name;
    pod.ordinal = ordinal;
    pod.phase = PodPhase::kRunning;
    pod.ready = true;
    pod.ready_since = now_ - absl::Hours(1);
    pod.labels = {{kPodNameLabel, pod.name}, {kRevisionLabel, revision}};
    pods_.push_back(pod);
    return pods_.back();
  }
  void AddAll(const std::string& revision = "old") {
    for (int i = 0; i < 3; ++i) Add(i, revision);
  }

  std::vector<std::string> Do(const PlanRevisionNames& revisions = {"old", "new"}) {
    plan_ = PlanPods(set_, revisions, 0, pods_, claims_, now_);
    std::vector<std::string> words;
    for (const Stage& stage : plan_.stages) {
      for (const Work& work : stage.work) {
        for (const Action& action : work) words.push_back(Word(action));
      }
    }
    return words;
  }

  static std::string Word(const Action& action) {
    switch (action.kind) {
      case Action::Kind::kCreateClaim:
        return "claim " + action.claim;
      case Action::Kind::kGrowClaim:
        return "grow " + action.claim;
      case Action::Kind::kSetOwners:
        return "own " + action.claim;
      case Action::Kind::kCreatePod:
        return "create " + action.pod + " " + action.revision;
      case Action::Kind::kRelabelPod:
        return "relabel " + action.pod;
      case Action::Kind::kOpenGate:
        return "open " + action.pod;
      case Action::Kind::kDeletePod:
        return "delete " + action.pod;
      case Action::Kind::kReport:
        return "report " + action.message;
    }
    return "";
  }

  const absl::Time now_ = absl::UnixEpoch() + absl::Hours(100);
  StatefulSet set_;
  std::vector<ObservedPod> pods_;
  ClaimsByName claims_;
  Plan plan_;
};

const PlanRevisionNames kOld{"old", "old"};

TEST_F(PlanTest, OrderedReadyCreatesOneAfterTheOther) {
  EXPECT_THAT(Do(kOld), ElementsAre("create web-0 old"));
  Add(0).ready = false;
  EXPECT_THAT(Do(kOld), IsEmpty());
  EXPECT_EQ(plan_.waiting_for, "web-0 to be Ready");
  pods_[0].ready = true;
  EXPECT_THAT(Do(kOld), ElementsAre("create web-1 old"));
}

TEST_F(PlanTest, CreatedPodsAreCountedBeforeTheyShow) {
  Add(0);
  EXPECT_THAT(Do(kOld), ElementsAre("create web-1 old"));
  EXPECT_EQ(plan_.status.replicas, 1);
  EXPECT_EQ(plan_.status_after.replicas, 2);
  EXPECT_EQ(plan_.status_after.current, 2);
  EXPECT_EQ(plan_.status_after.ready, 1);
  Add(1).ready = false;
  EXPECT_THAT(Do(kOld), IsEmpty());
  EXPECT_EQ(plan_.status.replicas, 2);
  EXPECT_EQ(plan_.status_after, plan_.status);
}

TEST_F(PlanTest, AvailableTakesMinReadySeconds) {
  set_.min_ready_seconds = 30;
  Add(0).ready_since = now_ - absl::Seconds(20);
  EXPECT_THAT(Do(kOld), IsEmpty());
  EXPECT_EQ(plan_.again, now_ + absl::Seconds(10));
  EXPECT_EQ(plan_.status.ready, 1);
  EXPECT_EQ(plan_.status.available, 0);
  pods_[0].ready_since = now_ - absl::Seconds(30);
  EXPECT_THAT(Do(kOld), ElementsAre("create web-1 old"));
}

TEST_F(PlanTest, ParallelCreatesAllAtOnce) {
  set_.pod_management = PodManagement::kParallel;
  EXPECT_THAT(Do(kOld), ElementsAre("create web-0 old", "create web-1 old", "create web-2 old"));
}

TEST_F(PlanTest, EndedPodsAreRemade) {
  AddAll();
  pods_[1].phase = PodPhase::kFailed;
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-1"));
  pods_[1].phase = PodPhase::kSucceeded;
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-1"));
  pods_[1].terminating = true;
  EXPECT_THAT(Do(kOld), IsEmpty());
}

TEST_F(PlanTest, ScaleDownGoesFromTheTopAndWaitsForHealth) {
  AddAll();
  Add(3);
  Add(4);
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-4"));
  pods_[3].ready = false;  // web-3 is the first unhealthy one, and web-4 is healthy
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-4"));
  pods_[4].ready = false;
  EXPECT_THAT(Do(kOld), IsEmpty());
  pods_[4].phase = PodPhase::kFailed;  // will never be healthy
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-4"));
  pods_[0].ready = false;
  EXPECT_THAT(Do(kOld), IsEmpty());
  set_.pod_management = PodManagement::kParallel;
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-4", "delete web-3"));
}

TEST_F(PlanTest, TheUpdateGoesFromTheTopDownToThePartition) {
  AddAll();
  EXPECT_THAT(Do(), ElementsAre("delete web-2"));
  EXPECT_EQ(plan_.status.current, 2);
  set_.max_unavailable = 2;
  EXPECT_THAT(Do(), ElementsAre("delete web-2", "delete web-1"));
  set_.partition = 2;
  EXPECT_THAT(Do(), ElementsAre("delete web-2"));
  set_.partition = 3;
  EXPECT_THAT(Do(), IsEmpty());
  set_.partition = 0;
  set_.update_strategy = UpdateStrategy::kOnDelete;
  EXPECT_THAT(Do(), IsEmpty());
}

TEST_F(PlanTest, AReplacementBelowThePartitionIsOfTheCurrentRevision) {
  set_.partition = 1;
  EXPECT_THAT(Do(), ElementsAre("create web-0 old"));
  Add(0);
  EXPECT_THAT(Do(), ElementsAre("create web-1 new"));
}

TEST_F(PlanTest, ABrokenUpdateStopsWhereItIs) {
  AddAll();
  pods_[2].labels[kRevisionLabel] = "new";
  pods_[2].ready = false;
  EXPECT_THAT(Do(), IsEmpty());
  set_.pod_management = PodManagement::kParallel;
  EXPECT_THAT(Do(), IsEmpty());
  // A pod that was broken before goes first in line, but not beside the one that is under way.
  pods_[1].ready = false;
  EXPECT_THAT(Do(), IsEmpty());
  pods_[2].ready = true;
  EXPECT_THAT(Do(), ElementsAre("delete web-1"));
}

TEST_F(PlanTest, ABrokenRevisionIsReplacedWhenAsked) {
  AddAll();
  pods_[2].labels[kRevisionLabel] = "broken";
  pods_[2].ready = false;
  EXPECT_THAT(Do(kOld), IsEmpty());
  set_.options.replace_stuck = true;
  EXPECT_THAT(Do(kOld), ElementsAre("delete web-2"));
  pods_[2].labels[kRevisionLabel] = "old";
  EXPECT_THAT(Do(kOld), IsEmpty());
}

TEST_F(PlanTest, StatusCountsAndCompletes) {
  AddAll("new");
  Do();
  EXPECT_EQ(plan_.status.current_revision, "new");
  EXPECT_EQ(plan_.status.current, 3);
  pods_[0].terminating = true;
  Do();
  EXPECT_EQ(plan_.status.current_revision, "old");
  EXPECT_EQ(plan_.status.updated, 2);
  EXPECT_EQ(plan_.status.replicas, 3);
}

TEST_F(PlanTest, ADeletedSetIsOnlyCounted) {
  Add(0).phase = PodPhase::kFailed;
  set_.terminating = true;
  EXPECT_THAT(Do(), IsEmpty());
  EXPECT_EQ(plan_.status.replicas, 1);
}

class PlanClaimsTest : public PlanTest {
 protected:
  PlanClaimsTest() { set_.claim_templates.push_back({{"metadata", {{"name", "data"}}}}); }
  void AddClaim(int ordinal) {
    ObservedClaim claim;
    claim.name = set_.ClaimName(set_.claim_templates[0], ordinal);
    claim.uid = "uid-" + claim.name;
    claim.requested_bytes = 100;
    claims_[claim.name] = claim;
  }
  void Mount(ObservedPod& pod) {
    pod.claim_of_volume["data"] = set_.ClaimName(set_.claim_templates[0], pod.ordinal);
  }
};

TEST_F(PlanClaimsTest, ClaimsComeBeforeTheirPod) {
  EXPECT_THAT(Do(kOld), ElementsAre("claim data-web-0", "create web-0 old"));
  AddClaim(0);
  EXPECT_THAT(Do(kOld), ElementsAre("create web-0 old"));
  claims_["data-web-0"].terminating = true;
  EXPECT_THAT(Do(kOld), ElementsAre("report pvc data-web-0 is being deleted", "create web-0 old"));
}

TEST_F(PlanClaimsTest, ClaimsAheadAreMadeForAllOrdinals) {
  set_.options.claims_ahead = true;
  AddClaim(0);
  AddClaim(1);
  EXPECT_THAT(Do(kOld), ElementsAre("claim data-web-2", "create web-0 old"));
}

TEST_F(PlanClaimsTest, APendingPodGetsItsMissingClaim) {
  ObservedPod& pod = Add(0);
  Mount(pod);
  pod.phase = PodPhase::kPending;
  pod.ready = false;
  EXPECT_THAT(Do(kOld), ElementsAre("claim data-web-0"));
}

TEST_F(PlanClaimsTest, AClaimOfAnEarlierPodBlocksWhileItIsToBeDeleted) {
  AddClaim(0);
  claims_["data-web-0"].owners = {{"v1", "Pod", "web-0", "gone", true, true}};
  EXPECT_THAT(Do(kOld), ElementsAre("create web-0 old"));
  set_.retention.delete_when_scaled = true;
  EXPECT_THAT(Do(kOld), IsEmpty());
}

TEST_F(PlanClaimsTest, AScaledAwayPodsClaimIsHandedToItFirst) {
  set_.ordinals = Ordinals(0, 0);
  set_.retention.delete_when_scaled = true;
  Mount(Add(0));
  AddClaim(0);
  EXPECT_THAT(Do(kOld), ElementsAre("own data-web-0", "delete web-0"));
  EXPECT_EQ(plan_.stages.size(), 2U);
}

TEST_F(PlanClaimsTest, ClaimsGrowAndNeverShrink) {
  for (int i = 0; i < 4; ++i) AddClaim(i);  // data-web-3 is of no ordinal
  claims_["data-web-1"].requested_bytes = 1000;
  claims_["data-web-x"] = {};
  set_.options.claim_bytes["data"] = 500;
  EXPECT_THAT(Do(kOld), ElementsAre("grow data-web-0", "grow data-web-2", "create web-0 old"));
}

TEST_F(PlanClaimsTest, APodThatDoesNotMountItsClaimIsReported) {
  AddClaim(0);
  Add(0);
  ASSERT_EQ(Do(kOld).size(), 1U);
  EXPECT_THAT(Do(kOld)[0], ::testing::StartsWith("report it does not mount claim data-web-0"));
  Mount(pods_[0]);
  pods_[0].labels.erase(kPodNameLabel);
  EXPECT_THAT(Do(kOld), ElementsAre("relabel web-0", "claim data-web-1", "create web-1 old"));
}

TEST(Expectations, AWriteIsShownByItsEffect) {
  const Write stored{Write::Object::kPod, Write::Kind::kStored, "web-0", "u", "10"};
  EXPECT_FALSE(IsShown(stored, std::nullopt, false));
  EXPECT_FALSE(IsShown(stored, Cached{"u", "9"}, false));
  EXPECT_FALSE(IsShown(stored, Cached{"older", "11"}, false));
  EXPECT_TRUE(IsShown(stored, Cached{"u", "10"}, false));
  EXPECT_TRUE(IsShown(stored, std::nullopt, true));
  const Write deleted{Write::Object::kPod, Write::Kind::kDeleted, "web-0", "u", ""};
  EXPECT_FALSE(IsShown(deleted, Cached{"u", "10"}, false));
  EXPECT_TRUE(IsShown(deleted, Cached{"u", "11", true}, false));
  EXPECT_TRUE(IsShown(deleted, Cached{"other", "12"}, false));
  EXPECT_TRUE(IsShown(deleted, std::nullopt, false));

  Expectations expectations;
  expectations.Add(stored);
  expectations.Add(deleted);
  EXPECT_FALSE(
      expectations.Met([](const Write& write) { return write.kind == Write::Kind::kDeleted; }));
  EXPECT_TRUE(expectations.Met([](const Write&) { return true; }));
}

}  // namespace
}  // namespace berth::statefulset
