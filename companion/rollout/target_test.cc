#include "companion/rollout/target.h"

#include <gtest/gtest.h>

namespace berth::rollout {
namespace {

TEST(Target, KubectlsNamesOfAStatefulSet) {
  for (const char* text : {"statefulset/web", "statefulsets/web", "sts/web"}) {
    const StatusOr<Target> target = ParseTarget(text);
    ASSERT_TRUE(target.ok()) << target.status();
    EXPECT_EQ(target->name, "web");
    EXPECT_FALSE(target->resource) << text;
  }
  EXPECT_EQ(ParseTarget("statefulset.apps/web")->resource->group, "apps");
  EXPECT_EQ(ParseTarget("statefulsets.berth.storage/web")->resource->group, "berth.storage");
  EXPECT_EQ(ParseTarget("bsts/web")->resource->group, "berth.storage");
}

TEST(Target, AnythingElseIsRefused) {
  for (const char* text : {"", "web", "statefulset/", "/web", "deployment/web", "sts/web/0"}) {
    EXPECT_EQ(ParseTarget(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace berth::rollout
