#include "companion/statefulset/revision.h"

#include <gtest/gtest.h>

#include "companion/statefulset/canonical_json.h"
#include "companion/statefulset/labels.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

// The expected text is what Go's encoding/json writes.
TEST(CanonicalJson, IsWhatGoWrites) {
  EXPECT_EQ(CanonicalJson(json::parse(
                R"({"g":-3,"b":9007199254740993,"a":9223372036854775807,"c":1e21,"d":0.5,)"
                R"("e":1000000000000,"f":1e-7,"h":0.000001,"i":1.5e300,"j":null,"k":[true,{}]})")),
            R"({"a":9223372036854776000,"b":9007199254740992,"c":1e+21,"d":0.5,"e":1000000000000,)"
            R"("f":1e-7,"g":-3,"h":0.000001,"i":1.5e+300,"j":null,"k":[true,{}]})");
  EXPECT_EQ(CanonicalJson("<>&\xe2\x80\xa8\x01\b\f\n\r\t\"\\/\x7f\xc3\xa9"),
            "\"\\u003c\\u003e\\u0026\\u2028\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\x7f\xc3\xa9\"");
}

constexpr char kTemplate[] =
    R"({"metadata":{"labels":{"app":"web"}},"spec":{"terminationGracePeriodSeconds":30,)"
    R"("containers":[{"name":"c","image":"i","args":["a<b && c>d"]}]}})";
constexpr char kData[] =
    R"({"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},"spec":)"
    R"({"containers":[{"args":["a\u003cb \u0026\u0026 c\u003ed"],"image":"i","name":"c"}],)"
    R"("terminationGracePeriodSeconds":30}}}})";

StatefulSet Set(const json& pod_template) {
  StatefulSet set;
  set.resource = kAppsStatefulSets;
  set.key = {"shop", "web"};
  set.uid = "u1";
  set.annotations = {{"note", "x"}};
  set.pod_template = pod_template;
  return set;
}

ObservedRevision Stored(const std::string& name, int64_t number, const std::string& data) {
  ObservedRevision revision;
  revision.name = name;
  revision.number = number;
  revision.data = data;
  return revision;
}

// Hashes computed with Go's hash/fnv.
TEST(Revision, DataAndHashAreKubernetes) {
  EXPECT_EQ(RevisionData(json::parse(kTemplate)), kData);
  EXPECT_EQ(RevisionHash(kData, 0), "55db586954");
  EXPECT_EQ(RevisionHash(kData, 1), "55db586955");
  EXPECT_EQ(RevisionName(std::string(250, 'x'), "h").size(), 225U);
  const auto back = TemplateOf(Stored("r", 1, kData));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, json::parse(kTemplate));
  EXPECT_EQ(TemplateOf(Stored("r", 1, "{}")).status().code(), absl::StatusCode::kDataLoss);
}

TEST(Revision, ObjectsCarryTheTemplatesLabelsAndTheSetsAnnotations) {
  const auto revision = BuildRevision(Set(json::parse(kTemplate)), kData, 3, 0);
  EXPECT_EQ(revision.metadata().name(), "web-55db586954");
  EXPECT_EQ(revision.metadata().labels().at("app"), "web");
  EXPECT_EQ(revision.metadata().labels().at(kHashLabel), "55db586954");
  EXPECT_EQ(revision.metadata().annotations().at("note"), "x");
  EXPECT_EQ(revision.metadata().ownerreferences(0).uid(), "u1");
  EXPECT_EQ(revision.data().raw(), kData);
  EXPECT_EQ(revision.revision(), 3);
}

TEST(PlanRevisions, AnUnchangedTemplateKeepsTheNewest) {
  const RevisionPlan plan =
      PlanRevisions(Set(json::parse(kTemplate)), {Stored("a", 1, "{}"), Stored("b", 2, kData)});
  EXPECT_EQ(plan.kind, RevisionPlan::Kind::kKeep);
  EXPECT_EQ(plan.update, 1U);
}

TEST(PlanRevisions, ARollbackRenumbersTheOldOne) {
  const RevisionPlan plan =
      PlanRevisions(Set(json::parse(kTemplate)), {Stored("a", 1, kData), Stored("b", 2, "{}")});
  EXPECT_EQ(plan.kind, RevisionPlan::Kind::kRenumber);
  EXPECT_EQ(plan.update, 0U);
  EXPECT_EQ(plan.number, 3);
}

TEST(PlanRevisions, AChangedTemplateMakesOne) {
  const RevisionPlan plan =
      PlanRevisions(Set(json::parse(kTemplate)), {Stored("a", 4, RevisionData(json::object()))});
  EXPECT_EQ(plan.kind, RevisionPlan::Kind::kCreate);
  EXPECT_EQ(plan.data, kData);
  EXPECT_EQ(plan.number, 5);
  EXPECT_EQ(PlanRevisions(Set(json::parse(kTemplate)), {}).number, 1);
}

// Kubernetes before 1.34 wrote "creationTimestamp": null into each revision.
TEST(PlanRevisions, ATemplateThatMeansTheSameReusesTheRevision) {
  json older = json::parse(kTemplate);
  older["metadata"]["creationTimestamp"] = nullptr;
  const RevisionPlan plan =
      PlanRevisions(Set(json::parse(kTemplate)), {Stored("a", 1, RevisionData(older))});
  EXPECT_EQ(plan.kind, RevisionPlan::Kind::kKeep);
  EXPECT_EQ(plan.update, 0U);
}

TEST(RevisionsToDelete, LiveOnesStay) {
  StatefulSet set = Set(json::object());
  set.revision_history_limit = 1;
  std::vector<ObservedRevision> revisions;
  for (int i = 5; i >= 1; --i) revisions.push_back(Stored("r" + std::to_string(i), i, "{}"));
  SortRevisions(revisions);
  ObservedPod pod;
  pod.labels[kRevisionLabel] = "r1";
  const auto old = RevisionsToDelete(set, revisions, {pod}, {"r4", "r5"});
  ASSERT_EQ(old.size(), 1U);
  EXPECT_EQ(old[0]->name, "r2");
}

}  // namespace
}  // namespace berth::statefulset
