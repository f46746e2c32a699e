// The ordering role on a real API server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/log.h"
#include "companion/statefulset/labels.h"
#include "companion/statefulset/takeover.h"
#include "companion/statefulset/testing/ordering_fixture.h"
#include "kube/informer.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Names = std::vector<std::string>;

// Writes the status of each set that it sees, as the built-in controller would.
class Rival {
 public:
  Rival(const kube::TestApiServer& server, const std::string& ns)
      : api_(*kube::Connect(Config(server))),
        sets_(*api_, kAppsStatefulSets, {.selector = {.ns = ns}}) {
    sets_.AddHandler([this](const auto& change) {
      if (change.after == nullptr) return;
      const int64_t generation = change.after->metadata().generation();
      const auto written = api_->PatchJson(
          kAppsStatefulSets, kube::KeyOf(*change.after), kube::PatchType::kMerge,
          {{"status", {{"observedGeneration", generation}, {"collisionCount", 5}}}}, "status");
      if (!written.ok()) LogLine(written.status().ToString()).Write(spdlog::level::info);
    });
    sets_.Start();
  }
  ~Rival() { sets_.Stop(); }

 private:
  static kube::Config Config(const kube::TestApiServer& server) {
    kube::Config config = server.config();
    config.field_manager = "rival";
    return config;
  }
  const std::unique_ptr<kube::ApiClient> api_;
  kube::Informer<kube::JsonObject> sets_;
};

class OrderingTest : public OrderingFixture {
 protected:
  bool Becomes(const Names& pods) {
    return Eventually([&] {
      return Pods() == pods && Number("availableReplicas") == static_cast<int>(pods.size());
    });
  }
};

TEST_F(OrderingTest, TheNextPodWaitsUntilItsPredecessorIsReady) {
  kubelet_->Hold("web-0");
  StartOrdering(OwnOptions());
  Create(Web(3));
  ASSERT_TRUE(Eventually([&] { return Number("replicas") == 1; }));
  EXPECT_THAT(Pods(), ElementsAre("web-0"));
  EXPECT_THAT(Claims(), ElementsAre("www-web-0"));
  EXPECT_EQ(Condition("Available"), "False");
  EXPECT_EQ(Condition("Progressing"), "True");

  kubelet_->Release("web-0");
  ASSERT_TRUE(Becomes({"web-0", "web-1", "web-2"}));
  EXPECT_THAT(Claims(), ElementsAre("www-web-0", "www-web-1", "www-web-2"));
  EXPECT_EQ(Condition("Available"), "True");
  const kube::core::Pod pod = Pod("web-1");
  EXPECT_EQ(pod.spec().hostname(), "web-1");
  EXPECT_EQ(pod.spec().subdomain(), "nginx");
  EXPECT_EQ(pod.metadata().labels().at(kPodNameLabel), "web-1");
  EXPECT_EQ(pod.metadata().labels().at(kPodIndexLabel), "1");
  ASSERT_TRUE(Eventually([&] { return HasEvent("SuccessfulCreate"); }));
}

TEST_F(OrderingTest, ScalingDownGoesFromTheTopAndKeepsClaims) {
  StartOrdering(OwnOptions());
  Create(Web(3));
  ASSERT_TRUE(Becomes({"web-0", "web-1", "web-2"}));
  Change({{"spec", {{"replicas", 1}}}});
  ASSERT_TRUE(Becomes({"web-0"}));
  EXPECT_THAT(Claims(), ElementsAre("www-web-0", "www-web-1", "www-web-2"));
}

TEST_F(OrderingTest, ARollingUpdateKeepsThePartitionAndGoesBack) {
  StartOrdering(OwnOptions());
  Create(Web(3));
  ASSERT_TRUE(Becomes({"web-0", "web-1", "web-2"}));
  const Names before = {PodUid("web-0"), PodUid("web-1"), PodUid("web-2")};
  const std::string first = Pod("web-0").metadata().labels().at(kRevisionLabel);

  json container = Web(1)["spec"]["template"]["spec"]["containers"][0];
  container["image"] = "nginx:2";
  Change({{"spec",
           {{"updateStrategy", {{"rollingUpdate", {{"partition", 1}}}}},
            {"template", {{"spec", {{"containers", {container}}}}}}}}});
  ASSERT_TRUE(Eventually(
      [&] { return Number("updatedReplicas") == 2 && Number("availableReplicas") == 3; }));
  EXPECT_EQ(ImageOf("web-2"), "nginx:2");
  EXPECT_EQ(ImageOf("web-1"), "nginx:2");
  EXPECT_EQ(PodUid("web-0"), before[0]);
  EXPECT_EQ(Revisions().size(), 2U);

  container["image"] = "nginx:1";
  Change({{"spec", {{"template", {{"spec", {{"containers", {container}}}}}}}}});
  ASSERT_TRUE(Eventually([&] {
    return ImageOf("web-2") == "nginx:1" && ImageOf("web-1") == "nginx:1" &&
           Number("availableReplicas") == 3 && Number("updatedReplicas") == 3;
  }));
  EXPECT_EQ(PodUid("web-0"), before[0]);
  EXPECT_EQ(Pod("web-2").metadata().labels().at(kRevisionLabel), first);
  EXPECT_EQ(Revisions().size(), 2U);  // the first one was taken up again
}

// kubernetes #67250: without the option a person has to delete the pod of the broken revision.
TEST_F(OrderingTest, ABrokenUpdateUnsticksItselfOnceTheTemplateIsMended) {
  StartOrdering(OwnOptions());
  json set = Web(2);
  set["metadata"]["annotations"] = {{"berth.storage/replace-stuck-pods", "true"}};
  Create(set);
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  const auto update_to = [&](const std::string& image) {
    json container = Web(1)["spec"]["template"]["spec"]["containers"][0];
    container["image"] = image;
    Change({{"spec", {{"template", {{"spec", {{"containers", {container}}}}}}}}});
  };
  kubelet_->Hold("web-1");
  update_to("nginx:broken");
  ASSERT_TRUE(Eventually([&] { return ImageOf("web-1") == "nginx:broken"; }));
  const std::string broken = PodUid("web-1");
  update_to("nginx:mended");
  ASSERT_TRUE(Eventually([&] { return ImageOf("web-1") == "nginx:mended"; }));
  EXPECT_NE(PodUid("web-1"), broken);
  EXPECT_EQ(ImageOf("web-0"), "nginx:1");  // its turn has not come
  kubelet_->Release("web-1");
  ASSERT_TRUE(Eventually(
      [&] { return ImageOf("web-0") == "nginx:mended" && Number("availableReplicas") == 2; }));
  EXPECT_TRUE(HasEvent("ReplacingStuckPod"));
}

TEST_F(OrderingTest, AFailedPodIsRemadeWithItsClaim) {
  StartOrdering(OwnOptions());
  Create(Web(2));
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  const std::string pod = PodUid("web-0");
  const auto claim = api_->Get<kube::core::PersistentVolumeClaim>({ns_, "www-web-0"});
  ASSERT_TRUE(kubelet_->Fail({ns_, "web-0"}).ok());
  ASSERT_TRUE(Eventually([&] { return !PodUid("web-0").empty() && PodUid("web-0") != pod; }));
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  EXPECT_EQ(api_->Get<kube::core::PersistentVolumeClaim>({ns_, "www-web-0"})->metadata().uid(),
            claim->metadata().uid());
}

TEST_F(OrderingTest, OrphansThatMatchAreAdoptedAndTheirRevisionGoesOn) {
  StartOrdering(OwnOptions());
  const kube::JsonObject set = Create(Web(2));
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  const Names before = {PodUid("web-0"), PodUid("web-1")};
  // As `kubectl delete --cascade=orphan` leaves them; the garbage collector is not here.
  ordering_.reset();
  for (const std::string pod : {"web-0", "web-1"}) {
    ASSERT_TRUE(api_->Patch<kube::core::Pod>({ns_, pod}, kube::PatchType::kMerge,
                                             R"({"metadata":{"ownerReferences":null}})")
                    .ok());
  }
  const Names revisions = Revisions();
  EXPECT_EQ(revisions.size(), 1U);
  for (const std::string& revision : revisions) {
    ASSERT_TRUE(
        api_->Patch<kube::apps::ControllerRevision>({ns_, revision}, kube::PatchType::kMerge,
                                                    R"({"metadata":{"ownerReferences":null}})")
            .ok());
  }
  ASSERT_TRUE(api_->DeleteJson(kAppsStatefulSets, {ns_, "web"}).ok());
  const kube::JsonObject again = Create(Web(2));
  StartOrdering(OwnOptions("two"));
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  EXPECT_EQ(PodUid("web-0"), before[0]);
  EXPECT_EQ(PodUid("web-1"), before[1]);
  EXPECT_EQ(Pod("web-0").metadata().ownerreferences(0).uid(), again.metadata().uid());
  EXPECT_EQ(Revisions(), revisions);
}

TEST_F(OrderingTest, AnotherReplicaGoesOn) {
  StartOrdering(OwnOptions("one"));
  Create(Web(1));
  ASSERT_TRUE(Becomes({"web-0"}));
  Ordering other(*api_, clock_, OwnOptions("two"));
  ASSERT_TRUE(other.Start().ok());
  ASSERT_TRUE(Eventually([&] { return other.Ready().ok(); }));
  EXPECT_FALSE(other.leading());
  ordering_->Stop();
  Change({{"spec", {{"replicas", 2}}}});
  ASSERT_TRUE(Becomes({"web-0", "web-1"}));
  EXPECT_TRUE(other.leading());
  other.Stop();
}

TEST_F(OrderingTest, TheApiServerMayGoAndComeBack) {
  StartOrdering(OwnOptions());
  Create(Web(1));
  ASSERT_TRUE(Becomes({"web-0"}));
  ASSERT_TRUE(server_->Restart().ok());
  Change({{"spec", {{"replicas", 3}}}});
  ASSERT_TRUE(Becomes({"web-0", "web-1", "web-2"}));
}

TEST_F(OrderingTest, AManagerThatKeepsSetsIsForeign) {
  const json entry = {{"manager", "kube-controller-manager"},
                      {"operation", "Update"},
                      {"subresource", "status"},
                      {"time", "2026-01-01T00:00:10Z"},
                      {"fieldsV1", {{"f:status", {{"f:replicas", json::object()}}}}}};
  json own = entry;
  own["manager"] = kube::kFieldManager;
  json condition = entry;
  condition["manager"] = "somebody";
  condition["fieldsV1"] = {{"f:status", {{"f:conditions", json::object()}}}};
  const auto foreign = [](const json& managed, int64_t since_s) {
    const json object = {{"metadata", {{"managedFields", managed}}}};
    return Takeover::ForeignController(
        kube::JsonObject(object),
        absl::FromCivil(absl::CivilSecond(2026, 1, 1), absl::UTCTimeZone()) +
            absl::Seconds(since_s));
  };
  EXPECT_EQ(foreign({own, condition}, 0), "");
  EXPECT_EQ(foreign({own, condition, entry}, 0), "kube-controller-manager");
  EXPECT_EQ(foreign({entry}, 10), "");  // from before
}

TEST_F(OrderingTest, NothingIsTakenOverWhileAnotherControllerRuns) {
  Rival rival(*server_, ns_);
  Create(Web(1));
  StartOrdering(OwnOptions());
  ASSERT_TRUE(Eventually([&] { return HasEvent("TakeoverRefused"); }));
  EXPECT_FALSE(ordering_->owns_apps_v1());
  EXPECT_THAT(Pods(), IsEmpty());
}

TEST_F(OrderingTest, AControllerThatComesLaterIsLeftAlone) {
  StartOrdering(OwnOptions());
  Create(Web(1));
  ASSERT_TRUE(Becomes({"web-0"}));
  absl::SleepFor(absl::Seconds(1));  // managedFields know whole seconds
  Rival rival(*server_, ns_);
  Change({{"metadata", {{"labels", {{"look", "again"}}}}}});
  ASSERT_TRUE(Eventually([&] { return HasEvent("TakeoverGivenUp"); }));
  ASSERT_TRUE(Eventually([&] { return !ordering_->owns_apps_v1(); }));
  Change({{"spec", {{"replicas", 2}}}});
  absl::SleepFor(absl::Seconds(1));
  EXPECT_THAT(Pods(), ElementsAre("web-0"));
}

TEST_F(OrderingTest, ASetThatCannotBeReadIsReported) {
  StartOrdering(OwnOptions());
  json set = Web(1);
  set["metadata"]["annotations"] = {{"berth.storage/claim-size.www", "much"}};
  Create(set);
  ASSERT_TRUE(Eventually([&] { return HasEvent("InvalidSpec"); }));
  EXPECT_THAT(Pods(), IsEmpty());
}

// ---- beside the built-in controller

TEST_F(OrderingTest, BesideAnotherControllerClaimsAreMadeAheadAndGrown) {
  Ordering::Options options = OwnOptions();
  options.take_over_apps_v1 = false;
  StartOrdering(options);
  json set = Web(3);
  set["metadata"]["annotations"] = {{"berth.storage/claims-ahead", "true"},
                                    {"berth.storage/claim-size.www", "2Gi"}};
  Create(set);
  ASSERT_TRUE(Eventually([&] { return Claims() == Names{"www-web-0", "www-web-1", "www-web-2"}; }));
  const auto claim = api_->Get<kube::core::PersistentVolumeClaim>({ns_, "www-web-2"});
  EXPECT_EQ(claim->spec().resources().requests().at("storage").string(), "2Gi");
  EXPECT_EQ(claim->metadata().labels().at("app"), "web");
  EXPECT_THAT(Pods(), IsEmpty());  // the built-in controller's work
}

}  // namespace
}  // namespace berth::statefulset
