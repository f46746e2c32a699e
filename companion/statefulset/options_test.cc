// What Berth's own options add to a plan and to the objects that are made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "companion/statefulset/labels.h"
#include "companion/statefulset/objects.h"
#include "companion/statefulset/plan.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

json Template(const std::string& name, const std::string& size) {
  return {{"metadata", {{"name", name}}},
          {"spec", {{"resources", {{"requests", {{"storage", size}}}}}}}};
}

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() {
    set_.resource = kBerthStatefulSets;
    set_.key = {"shop", "web"};
    set_.uid = "su";
    set_.ordinals = Ordinals(0, 3);
    set_.partition = 0;
    set_.status.current_revision = "old";
    set_.status.update_revision = "new";
    set_.pod_template = {
        {"metadata", {{"labels", {{"app", "web"}}}}},
        {"spec", {{"containers", {{{"name", "a"}, {"image", "a:1"}}, {{"name", "b"}}}}}}};
  }

  ObservedPod& Add(int ordinal, const std::string& revision = "old") {
    ObservedPod pod;
    pod.name = set_.PodName(ordinal);
    pod.uid = "uid-" + pod.name;
    pod.ordinal = ordinal;
    pod.phase = PodPhase::kRunning;
    pod.ready = true;
    pod.labels = {{kPodNameLabel, pod.name}, {kRevisionLabel, revision}};
    pods_.push_back(pod);
    return pods_.back();
  }
  ObservedPod& AddGated(int ordinal) {
    ObservedPod& pod = Add(ordinal);
    pod.phase = PodPhase::kPending;
    pod.ready = false;
    pod.gated = true;
    return pod;
  }

  // Kind and object of each action.
  static Words WordsOf(const Plan& plan) {
    Words words;
    for (const Stage& stage : plan.stages) {
      for (const Work& work : stage.work) {
        for (const Action& action : work) {
          words.push_back(std::to_string(static_cast<int>(action.kind)) + " " +
                          (action.pod.empty() ? action.claim : action.pod));
        }
      }
    }
    return words;
  }
  static std::string Word(Action::Kind kind, const std::string& object) {
    return std::to_string(static_cast<int>(kind)) + " " + object;
  }
  Words Own() {
    plan_ = PlanPods(set_, {"old", "old"}, 0, pods_, claims_, now_);
    return WordsOf(plan_);
  }
  Words Beside() {
    plan_ = PlanBeside(set_, pods_, claims_, now_);
    return WordsOf(plan_);
  }

  const absl::Time now_ = absl::UnixEpoch() + absl::Hours(100);
  StatefulSet set_;
  std::vector<ObservedPod> pods_;
  ClaimsByName claims_;
  Plan plan_;
};

TEST_F(OptionsTest, GatesOpenInTurn) {
  for (int i = 0; i < 3; ++i) AddGated(i);
  EXPECT_THAT(Beside(), ElementsAre(Word(Action::Kind::kOpenGate, "web-0")));
  pods_[0].gated = false;
  EXPECT_THAT(Beside(), IsEmpty());  // it has to become Ready first
  pods_[0].phase = PodPhase::kRunning;
  pods_[0].ready = true;
  EXPECT_THAT(Beside(), ElementsAre(Word(Action::Kind::kOpenGate, "web-1")));
  pods_[0].name_served = false;
  EXPECT_THAT(Beside(), IsEmpty());
  EXPECT_EQ(plan_.waiting_for, "the name of web-0 to be served by every DNS replica");
  EXPECT_LT(plan_.again, now_ + absl::Seconds(1));
}

TEST_F(OptionsTest, AGatedPodOfOursOpensAtOnce) {
  AddGated(0);
  EXPECT_THAT(Own(), ElementsAre(Word(Action::Kind::kOpenGate, "web-0")));
}

TEST_F(OptionsTest, TheSuccessorWaitsForTheName) {
  Add(0).name_served = false;
  EXPECT_THAT(Own(), IsEmpty());
  EXPECT_EQ(plan_.waiting_for, "the name of web-0 to be served by every DNS replica");
  pods_[0].name_served = true;
  EXPECT_THAT(Own(), ElementsAre(Word(Action::Kind::kCreatePod, "web-1")));
}

TEST_F(OptionsTest, BesideAnotherControllerNoPodIsMade) {
  set_.claim_templates = {Template("data", "1Gi")};
  set_.options.claims_ahead = true;
  EXPECT_THAT(Beside(), ElementsAre(Word(Action::Kind::kCreateClaim, "data-web-0"),
                                    Word(Action::Kind::kCreateClaim, "data-web-1"),
                                    Word(Action::Kind::kCreateClaim, "data-web-2")));
}

TEST_F(OptionsTest, BesideAnotherControllerOnlyTheStuckPodIsReplaced) {
  set_.options.replace_stuck = true;
  Add(0);
  Add(1).ready = false;
  Add(2).ready = false;
  EXPECT_THAT(Beside(), ElementsAre(Word(Action::Kind::kDeletePod, "web-1")));
  pods_[1].labels[kRevisionLabel] = "new";  // it is on its way
  EXPECT_THAT(Beside(), IsEmpty());
}

TEST_F(OptionsTest, AChangedOverrideReplacesItsPodAlone) {
  for (int i = 0; i < 3; ++i) Add(i);
  EXPECT_THAT(Own(), IsEmpty());
  set_.options.overrides[1] = {{"spec", {{"nodeName", "n1"}}}};
  EXPECT_THAT(Own(), ElementsAre(Word(Action::Kind::kDeletePod, "web-1")));
  pods_[1].labels[kOverrideLabel] = OverrideHash(set_, 1);
  EXPECT_THAT(Own(), IsEmpty());
  EXPECT_EQ(plan_.status.updated, 3);
}

TEST_F(OptionsTest, AnOverrideIsMergedByNames) {
  set_.options.overrides[1] = json::parse(
      R"({"spec": {"containers": [{"name": "b", "image": "b:2"}, {"name": "c"}], "nodeName": "n1"}})");
  const json pod = BuildPod(set_, set_.pod_template, "old", 1);
  EXPECT_EQ(pod["spec"]["containers"],
            json::parse(R"([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"},
                            {"name": "c"}])"));
  EXPECT_EQ(pod["spec"]["nodeName"], "n1");
  EXPECT_EQ(pod["metadata"]["labels"][kOverrideLabel], OverrideHash(set_, 1));
  EXPECT_FALSE(
      BuildPod(set_, set_.pod_template, "old", 0)["metadata"]["labels"].contains(kOverrideLabel));
  EXPECT_EQ(MergeTemplate({{"a", 1}, {"b", 2}}, {{"a", nullptr}}), json({{"b", 2}}));
}

TEST_F(OptionsTest, NewClaimsStartAtTheSizeThatOthersGrewTo) {
  const auto size = [&](int64_t wanted) {
    set_.options.claim_bytes["data"] = wanted;
    return BuildClaim(set_, Template("data", "1Gi"), 0)["spec"]["resources"]["requests"]["storage"];
  };
  EXPECT_EQ(size(int64_t{2} << 30), "2Gi");
  EXPECT_EQ(size(int64_t{1} << 30), "1Gi");
  EXPECT_EQ(size(1), "1Gi");  // claims never shrink
}

}  // namespace
}  // namespace berth::statefulset
