#include "kube/label_selector.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

using nlohmann::json;

TEST(LabelSelector, AllRequirementsMustHold) {
  const auto selector = LabelSelector::Parse(json::parse(R"({
      "matchLabels": {"app": "web"},
      "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]},
                           {"key": "old", "operator": "DoesNotExist"},
                           {"key": "zone", "operator": "NotIn", "values": ["x"]},
                           {"key": "id", "operator": "Exists"}]})"));
  ASSERT_TRUE(selector.ok()) << selector.status();
  const Labels good = {{"app", "web"}, {"tier", "b"}, {"id", ""}};
  EXPECT_TRUE(selector->Matches(good));
  for (const auto& [key, value] :
       Labels{{"app", "db"}, {"tier", "c"}, {"old", ""}, {"zone", "x"}}) {
    Labels labels = good;
    labels[key] = value;
    EXPECT_FALSE(selector->Matches(labels)) << key;
  }
  for (const char* key : {"app", "tier", "id"}) {
    Labels labels = good;
    labels.erase(key);
    EXPECT_FALSE(selector->Matches(labels)) << key;
  }
}

TEST(LabelSelector, AnUnknownOperatorIsRefused) {
  for (const char* expression :
       {R"({"key": "a", "operator": "Near"})", R"({"key": "a", "operator": "In"})",
        R"({"key": "a", "operator": "Exists", "values": ["x"]})", "7"}) {
    const auto selector =
        LabelSelector::Parse({{"matchExpressions", json::array({json::parse(expression)})}});
    EXPECT_EQ(selector.status().code(), absl::StatusCode::kInvalidArgument) << expression;
  }
}

}  // namespace
}  // namespace berth::kube
