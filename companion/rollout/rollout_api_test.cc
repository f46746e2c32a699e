// rollout/ against a real kube-apiserver, for both kinds of set. The test is the controller: it
// writes revisions, pods and status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/process.h"
#include "base/synchronized.h"
#include "companion/rollout/history.h"
#include "companion/rollout/target.h"
#include "companion/rollout/wait.h"
#include "companion/statefulset/revision.h"
#include "kube/apps_v1.h"
#include "kube/core_v1.h"
#include "kube/testing/api_server.h"

namespace berth::rollout {
namespace {

using nlohmann::json;
using statefulset::kAppsStatefulSets;
using statefulset::kBerthStatefulSets;
using statefulset::StatefulSet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kTimeout = absl::Seconds(20);

class RolloutTest : public ::testing::TestWithParam<kube::Resource> {
 protected:
  static void SetUpTestSuite() {
    StatusOr<std::unique_ptr<kube::TestApiServer>> started = kube::TestApiServer::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    const StatusOr<ProcessResult> applied =
        // kubectl keeps what it discovered below HOME.
        RunProcess(
            {"env", "HOME=" + std::filesystem::path(server_->kubeconfig()).parent_path().string(),
             std::string(std::getenv("BERTH_KUBE_BIN")) + "/kubectl", "--kubeconfig",
             server_->kubeconfig(), "apply", "--server-side", "-f", BERTH_STATEFULSET_CRD},
            absl::Now() + kTimeout);
    ASSERT_TRUE(applied.ok() && applied->exit_code == 0) << applied->output;
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_NE(server_, nullptr);
    api_ = server_->Client();
    kube::core::Namespace ns;
    ns.mutable_metadata()->set_generatename("test-");
    const StatusOr<kube::core::Namespace> created = api_->Create(ns);
    ASSERT_TRUE(created.ok()) << created.status();
    ns_ = created->metadata().name();
  }

  static json Template(const std::string& image) {
    return {{"metadata", {{"labels", {{"app", "web"}}}}},
            {"spec", {{"containers", {{{"name", "main"}, {"image", image}}}}}}};
  }
  // Creates the set; our kind's definition is served a moment after it was applied.
  void CreateSet(const kube::Resource& resource) {
    const json set = {{"metadata", {{"name", "web"}, {"namespace", ns_}}},
                      {"spec",
                       {{"replicas", 2},
                        {"serviceName", "web"},
                        {"selector", {{"matchLabels", {{"app", "web"}}}}},
                        {"template", Template("one")}}}};
    const absl::Time deadline = absl::Now() + kTimeout;
    Status status;
    do {
      status = api_->CreateJson(resource, set).status();
    } while (absl::IsNotFound(status) && absl::Now() < deadline);
    ASSERT_TRUE(status.ok()) << status;
  }
  StatefulSet Find(const Target& target = {.name = "web"}) {
    StatusOr<StatefulSet> set = FindSet(*api_, target, ns_);
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? *set : StatefulSet{};
  }
  void Change(const json& patch, const std::string& subresource = "") {
    const Status status =
        api_->PatchJson(GetParam(), {ns_, "web"}, kube::PatchType::kMerge, patch, subresource)
            .status();
    ASSERT_TRUE(status.ok()) << status;
  }
  // What the controller does with a template: a revision that stands for it.
  std::string MakeRevision(int64_t number) {
    const StatefulSet set = Find({.name = "web", .resource = GetParam()});
    const auto revision = api_->Create(statefulset::BuildRevision(
        set, statefulset::RevisionData(set.pod_template), number, /*collision_count=*/0));
    EXPECT_TRUE(revision.ok()) << revision.status();
    return revision.ok() ? revision->metadata().name() : "";
  }
  void SetStatus(int ready, int updated, const std::string& current, const std::string& update) {
    const StatefulSet set = Find({.name = "web", .resource = GetParam()});
    Change({{"status",
             {{"observedGeneration", set.generation},
              {"replicas", 2},
              {"readyReplicas", ready},
              {"availableReplicas", ready},
              {"currentReplicas", current == update ? 2 : 2 - updated},
              {"updatedReplicas", updated},
              {"currentRevision", current},
              {"updateRevision", update}}}},
           "status");
  }

  static std::unique_ptr<kube::TestApiServer> server_;
  std::unique_ptr<kube::ApiClient> api_;
  std::string ns_;
};

std::unique_ptr<kube::TestApiServer> RolloutTest::server_;

TEST_P(RolloutTest, UndoRestoresAnEarlierTemplate) {
  CreateSet(GetParam());
  const json first = Find().pod_template;
  MakeRevision(1);
  Change({{"metadata", {{"annotations", {{"kubernetes.io/change-cause", "image two"}}}}},
          {"spec", {{"template", Template("two")}}}});
  MakeRevision(2);

  const StatusOr<std::vector<Entry>> history = ReadHistory(*api_, Find());
  ASSERT_TRUE(history.ok()) << history.status();
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ(history->at(0).change_cause, "");
  EXPECT_EQ(history->at(1).change_cause, "image two");

  const StatusOr<Undone> undone = Undo(*api_, Find(), 0);
  ASSERT_TRUE(undone.ok()) << undone.status();
  EXPECT_EQ(undone->revision, 1);
  EXPECT_TRUE(undone->changed);
  EXPECT_EQ(Find().pod_template, first);

  const StatusOr<Undone> again = Undo(*api_, Find(), 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(Undo(*api_, Find(), 7).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(RolloutTest, UndoDoesNotOverwriteAChangeThatItDidNotSee) {
  CreateSet(GetParam());
  MakeRevision(1);
  Change({{"spec", {{"template", Template("two")}}}});
  MakeRevision(2);
  const StatefulSet seen = Find();
  Change({{"spec", {{"template", Template("three")}}}});
  EXPECT_EQ(Undo(*api_, seen, 1).status().code(), absl::StatusCode::kAborted);
}

TEST_P(RolloutTest, RevisionsOfAnotherSetAreNotItsHistory) {
  CreateSet(GetParam());
  StatefulSet other = Find();
  other.uid = "another";
  ASSERT_TRUE(api_->Create(statefulset::BuildRevision(
                               other, statefulset::RevisionData(other.pod_template), 1, 0))
                  .ok());
  const StatusOr<std::vector<Entry>> history = ReadHistory(*api_, Find());
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_TRUE(history->empty());
}

TEST_P(RolloutTest, StatusSaysWhatIsWaitedForUntilItIsComplete) {
  CreateSet(GetParam());
  SetStatus(1, 0, "web-a", "web-b");
  Synchronized<std::vector<std::string>> said;
  Status status;
  std::thread waiting([&] {
    const std::unique_ptr<kube::ApiClient> api = server_->Client();
    status = WaitForRollout(*api, *FindSet(*api, {.name = "web"}, ns_), absl::Now() + kTimeout,
                            [&](const std::string& message) {
                              auto messages = said.Lock();
                              messages->push_back(message);
                              messages.NotifyAll();
                            });
  });
  const auto wait_for = [&](size_t count) {
    auto messages = said.Lock();
    return messages.WaitUntil(absl::Now() + kTimeout, [&] { return messages->size() >= count; });
  };
  EXPECT_TRUE(wait_for(1));
  SetStatus(2, 1, "web-a", "web-b");
  EXPECT_TRUE(wait_for(2));
  SetStatus(2, 2, "web-b", "web-b");
  waiting.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(
      *said.Lock(),
      ElementsAre("waiting for pods to be ready: 1 of 2 are; web-0 (does not exist), web-1 (does "
                  "not exist)",
                  "waiting for the rolling update: 1 of 2 pods have the new revision web-b; web-0 "
                  "(does not exist), web-1 (does not exist)",
                  "rollout complete: 2 pods have revision web-b"));
}

TEST_P(RolloutTest, StatusEndsAtTheDeadlineAndWithTheSet) {
  CreateSet(GetParam());
  SetStatus(1, 0, "web-a", "web-b");
  const StatefulSet set = Find();
  const auto quiet = [](const std::string&) {};
  const Status late = WaitForRollout(*api_, set, absl::Now(), quiet);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("1 of 2 are"));
  ASSERT_TRUE(api_->DeleteJson(GetParam(), {ns_, "web"}).ok());
  EXPECT_EQ(WaitForRollout(*api_, set, absl::Now() + kTimeout, quiet).code(),
            absl::StatusCode::kNotFound);
}

TEST_P(RolloutTest, AMissingSetIsNamed) {
  const Status missing = FindSet(*api_, {.name = "absent"}, ns_).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("absent"));
  EXPECT_THAT(std::string(missing.message()), HasSubstr(ns_));
}

TEST_P(RolloutTest, OfTwoSetsOursIsMeant) {
  CreateSet(kAppsStatefulSets);
  EXPECT_EQ(Find().resource.group, "apps");
  CreateSet(kBerthStatefulSets);
  EXPECT_EQ(Find().resource.group, "berth.storage");
  EXPECT_EQ(Find({.name = "web", .resource = kAppsStatefulSets}).resource.group, "apps");
}

INSTANTIATE_TEST_SUITE_P(BothKinds, RolloutTest,
                         ::testing::Values(kAppsStatefulSets, kBerthStatefulSets),
                         [](const auto& kind) {
                           return std::string(kind.param.group == "apps" ? "apps" : "berth");
                         });

}  // namespace
}  // namespace berth::rollout
