#include "companion/rollout/yaml.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace berth::rollout {
namespace {

using nlohmann::json;

TEST(Yaml, IsWhatAPersonWouldWrite) {
  EXPECT_EQ(ToYaml(json::parse(R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":)"
                               R"([{"name":"a","args":["-c","x: y"],"env":[],"stdin":true}]}})")),
            R"(metadata:
  labels:
    app: web
spec:
  containers:
    - args:
        - "-c"
        - "x: y"
      env: []
      name: a
      stdin: true
)");
}

// What a YAML reader would take for a number or a flag stays text.
TEST(Yaml, TextStaysText) {
  for (const char* text : {"", "~", "null", "true", "No", "on", "1", "-1.5", "0x1F", "1e3", ".inf",
                           "2026-01-02", "a: b", "#", "two\nlines", " blanks ", "*alias"}) {
    const YAML::Node read = YAML::Load(ToYaml({{"key", text}}));
    EXPECT_EQ(read["key"].as<std::string>(), text);
    // yaml-cpp's mark of a quoted scalar: such a one is text to every reader.
    EXPECT_EQ(read["key"].Tag(), "!") << text;
  }
  EXPECT_EQ(YAML::Load(ToYaml({{"key", "plain"}}))["key"].Tag(), "?");
}

TEST(Yaml, NumbersAndFlagsStayWhatTheyAre) {
  const YAML::Node read = YAML::Load(ToYaml({{"a", 1}, {"b", 0.5}, {"c", false}, {"d", nullptr}}));
  EXPECT_EQ(read["a"].as<int>(), 1);
  EXPECT_EQ(read["b"].as<double>(), 0.5);
  EXPECT_FALSE(read["c"].as<bool>());
  EXPECT_TRUE(read["d"].IsNull());
}

}  // namespace
}  // namespace berth::rollout
