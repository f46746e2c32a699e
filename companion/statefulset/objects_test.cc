#include "companion/statefulset/objects.h"

#include <gtest/gtest.h>

#include "companion/statefulset/labels.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

StatusOr<StatefulSet> Read(const std::string& spec, const std::string& annotations = "{}") {
  return ReadStatefulSet(
      kBerthStatefulSets,
      kube::JsonObject(json::parse(
          R"({"metadata":{"name":"web","namespace":"shop","uid":"su","generation":2,"annotations":)" +
          annotations + R"(},"spec":)" + spec + "}")));
}

constexpr char kSpec[] = R"({
    "selector": {"matchLabels": {"app": "web"}}, "serviceName": "web", "replicas": 4,
    "ordinals": {"start": 5}, "podManagementPolicy": "Parallel", "minReadySeconds": 7,
    "updateStrategy": {"type": "RollingUpdate",
                       "rollingUpdate": {"partition": 6, "maxUnavailable": "60%"}},
    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
    "template": {"metadata": {"labels": {"app": "web", "x": "y"}, "annotations": {"n": "1"}},
                 "spec": {"containers": [{"name": "c"}],
                          "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data"}]}},
    "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"l": "1"}},
                              "spec": {"accessModes": ["ReadWriteOnce"]}}]})";

TEST(StatefulSet, IsRead) {
  const auto set = Read(kSpec, R"({"berth.storage/reserved-ordinals": "6,7",
                                   "berth.storage/claim-size.data": "2Gi"})");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->max_unavailable, 2);
  EXPECT_EQ(set->partition, 6);
  EXPECT_EQ(set->pod_management, PodManagement::kParallel);
  EXPECT_TRUE(set->retention.delete_when_deleted);
  EXPECT_FALSE(set->retention.delete_when_scaled);
  EXPECT_EQ(set->options.claim_bytes.at("data"), int64_t{2} << 30);
  std::vector<int> ordinals;
  for (int i = set->ordinals.first(); i < set->ordinals.end(); i = set->ordinals.next(i)) {
    ordinals.push_back(i);
  }
  EXPECT_EQ(ordinals, (std::vector<int>{5, 8, 9, 10}));
  EXPECT_FALSE(set->ordinals.contains(6));
  EXPECT_EQ(set->OrdinalOf("web-12"), 12);
  for (const char* other :
       {"web-01", "web-", "web", "web-x-1", "web-1x", "db-1", "web-99999999999"}) {
    EXPECT_EQ(set->OrdinalOf(other), std::nullopt) << other;
  }
}

TEST(StatefulSet, DefaultsAreKubernetes) {
  const auto set = Read(R"({"selector": {"matchLabels": {"a": "b"}},
                            "template": {"metadata": {"labels": {"a": "b"}}}})");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->ordinals.count(), 1);
  EXPECT_EQ(set->pod_management, PodManagement::kOrderedReady);
  EXPECT_EQ(set->partition, 0);
  EXPECT_EQ(set->max_unavailable, 1);
  EXPECT_EQ(set->revision_history_limit, 10);
  // Given by name and without a section, pods keep their revision by status.currentReplicas.
  EXPECT_EQ(Read(R"({"selector": {"matchLabels": {"a": "b"}},
                     "updateStrategy": {"type": "RollingUpdate"},
                     "template": {"metadata": {"labels": {"a": "b"}}}})")
                ->partition,
            std::nullopt);
}

TEST(StatefulSet, NonsenseIsRefused) {
  for (const char* spec :
       {R"({"selector": {"matchLabels": {"a": "c"}},
            "template": {"metadata": {"labels": {"a": "b"}}}})",
        R"({"template": {"metadata": {"labels": {"a": "b"}}}})",
        R"({"selector": {}, "replicas": 2147483647, "ordinals": {"start": 9}, "template": {}})",
        R"({"selector": {}, "template": {},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": "many"}}})"}) {
    EXPECT_EQ(Read(spec).status().code(), absl::StatusCode::kInvalidArgument) << spec;
  }
}

TEST(BuildPod, HasTheSetsIdentity) {
  const StatefulSet set = *Read(kSpec);
  const json pod = BuildPod(set, set.pod_template, "web-abc", 5);
  const json& metadata = pod["metadata"];
  EXPECT_EQ(metadata["name"], "web-5");
  EXPECT_EQ(metadata["labels"], (json{{"app", "web"},
                                      {"x", "y"},
                                      {kPodNameLabel, "web-5"},
                                      {kPodIndexLabel, "5"},
                                      {kRevisionLabel, "web-abc"}}));
  EXPECT_EQ(metadata["annotations"]["n"], "1");
  EXPECT_EQ(metadata["ownerReferences"][0]["apiVersion"], "berth.storage/v1");
  EXPECT_EQ(pod["spec"]["hostname"], "web-5");
  EXPECT_EQ(pod["spec"]["subdomain"], "web");
  EXPECT_EQ(pod["spec"]["volumes"],
            json::parse(R"([{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-5"}},
                            {"name": "tmp", "emptyDir": {}}])"));
}

TEST(BuildClaim, HasTemplatesAndSelectorsLabels) {
  const StatefulSet set = *Read(kSpec);
  const json claim = BuildClaim(set, set.claim_templates[0], 5);
  EXPECT_EQ(claim["metadata"]["name"], "data-web-5");
  EXPECT_EQ(claim["metadata"]["labels"], (json{{"app", "web"}, {"l", "1"}}));
  EXPECT_EQ(claim["metadata"]["ownerReferences"][0]["uid"], "su");
  EXPECT_EQ(claim["spec"]["accessModes"][0], "ReadWriteOnce");
}

class ClaimOwners : public ::testing::Test {
 protected:
  // "s": the set, "p": the pod, "": nobody, "-": not touched.
  std::string Owners(bool deleted, bool scaled, bool wanted) {
    set_.retention = {deleted, scaled};
    const auto owners = OwnersToSet(claim_, set_, {"web-5", "pu", wanted});
    if (!owners) return "-";
    std::string text;
    for (const Owner& owner : *owners) {
      text += owner.uid == "su" ? "s" : owner.uid == "pu" ? "p" : "?";
    }
    return text;
  }
  StatefulSet set_ = *Read(kSpec);
  ObservedClaim claim_;
};

TEST_F(ClaimOwners, FollowTheRetentionPolicy) {
  EXPECT_EQ(Owners(false, false, true), "-");
  EXPECT_EQ(Owners(true, false, true), "s");
  EXPECT_EQ(Owners(true, false, false), "s");
  EXPECT_EQ(Owners(false, true, true), "-");
  EXPECT_EQ(Owners(false, true, false), "p");
  EXPECT_EQ(Owners(true, true, true), "s");
  EXPECT_EQ(Owners(true, true, false), "p");
  claim_.owners = {OwnerReference(set_)};
  EXPECT_EQ(Owners(true, false, true), "-");
  EXPECT_EQ(Owners(false, false, true), "");
  EXPECT_EQ(Owners(true, true, false), "p");
}

TEST_F(ClaimOwners, AnOwnerOfAnEarlierLifeIsLeftAlone) {
  claim_.owners = {{"v1", "Pod", "web-5", "older", true, true}};
  EXPECT_TRUE(HasStaleOwner(claim_, set_, {"web-5", "pu", true}));
  EXPECT_EQ(Owners(true, true, true), "-");
}

TEST_F(ClaimOwners, AForeignControllerIsNotJoined) {
  claim_.owners = {{"x/v1", "Other", "o", "ou", true, false}};
  EXPECT_EQ(Owners(true, true, true), "-");
  EXPECT_TRUE(HasForeignController(claim_, set_, {"web-5", "pu", true}));
  claim_.owners.push_back(OwnerReference(set_));
  EXPECT_EQ(Owners(true, true, true), "?");
}

}  // namespace
}  // namespace berth::statefulset
