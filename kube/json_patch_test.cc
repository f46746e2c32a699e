#include "kube/json_patch.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

using nlohmann::json;

meta::ObjectMeta Seen() {
  meta::ObjectMeta seen;
  seen.set_uid("u1");
  seen.add_finalizers("a/one");
  seen.add_finalizers("b/two");
  (*seen.mutable_annotations())["x/y"] = "1";
  return seen;
}

TEST(JsonPatchTest, NothingToDoIsAnEmptyPatch) {
  EXPECT_TRUE(PatchFor(Seen(), {.set_annotations = {{"x/y", "1"}},
                                .remove_annotations = {"absent"},
                                .add_finalizers = {"a/one"},
                                .remove_finalizers = {"absent"}})
                  .empty());
}

TEST(JsonPatchTest, FinalizersAreReplacedOnlyWhileTheyAreWhatWasSeen) {
  const JsonPatch patch =
      PatchFor(Seen(), {.add_finalizers = {"c/three"}, .remove_finalizers = {"a/one"}});
  EXPECT_EQ(json::parse(patch.String()), json::parse(R"([
    {"op": "test", "path": "/metadata/uid", "value": "u1"},
    {"op": "test", "path": "/metadata/finalizers", "value": ["a/one", "b/two"]},
    {"op": "add", "path": "/metadata/finalizers", "value": ["b/two", "c/three"]}])"));
}

TEST(JsonPatchTest, TheLastFinalizerRemovesTheList) {
  const JsonPatch patch = PatchFor(Seen(), {.remove_finalizers = {"a/one", "b/two"}});
  EXPECT_EQ(json::parse(patch.String())[2],
            json::parse(R"({"op": "remove", "path": "/metadata/finalizers"})"));
}

TEST(JsonPatchTest, AnnotationsAreEscapedAndTheirMapIsMadeWhenAbsent) {
  meta::ObjectMeta seen;
  seen.set_uid("u1");
  const JsonPatch patch = PatchFor(seen, {.set_annotations = {{"a~b/c", "v"}}});
  EXPECT_EQ(json::parse(patch.String()), json::parse(R"([
    {"op": "test", "path": "/metadata/uid", "value": "u1"},
    {"op": "test", "path": "/metadata/annotations", "value": null},
    {"op": "add", "path": "/metadata/annotations", "value": {}},
    {"op": "add", "path": "/metadata/annotations/a~0b~1c", "value": "v"}])"));
}

}  // namespace
}  // namespace berth::kube
