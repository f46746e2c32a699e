#include "kube/json_object.h"

#include <gtest/gtest.h>

#include <vector>

#include "kube/api_error.h"

namespace berth::kube {
namespace {

TEST(JsonObject, MetadataIsRead) {
  const auto object = ParseMessage<JsonObject>(R"({"metadata": {
      "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "12", "generation": 3,
      "deletionTimestamp": "2026-01-02T03:04:05Z", "labels": {"a": "b"}, "finalizers": ["f"],
      "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pu",
                           "controller": true}]},
      "spec": {"x": 1}})");
  ASSERT_TRUE(object.ok()) << object.status();
  const meta::ObjectMeta& metadata = object->metadata();
  EXPECT_EQ(KeyOf(*object).String(), "shop/web");
  EXPECT_EQ(metadata.uid(), "u");
  EXPECT_EQ(metadata.generation(), 3);
  EXPECT_EQ(metadata.deletiontimestamp().seconds(), 1767323045);
  EXPECT_FALSE(metadata.has_creationtimestamp());
  EXPECT_EQ(metadata.labels().at("a"), "b");
  EXPECT_EQ(metadata.finalizers(0), "f");
  EXPECT_TRUE(metadata.ownerreferences(0).controller());
  EXPECT_EQ(object->body()["spec"]["x"], 1);
}

TEST(JsonObject, FieldsOfAnotherTypeAreNoMetadata) {
  const auto object = ParseMessage<JsonObject>(R"({"metadata": {"name": 7, "labels": [1]}})");
  ASSERT_TRUE(object.ok());
  EXPECT_EQ(object->metadata().name(), "");
  EXPECT_EQ(ParseMessage<JsonObject>("[]").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseMessage<JsonObject>("{").status().code(), absl::StatusCode::kDataLoss);
}

TEST(JsonObject, ManagedFieldsAreDropped) {
  JsonObject object(nlohmann::json::parse(R"({"metadata": {"name": "a", "managedFields": [1]}})"));
  DropManagedFields(object);
  EXPECT_EQ(object.body().dump(), R"({"metadata":{"name":"a"}})");
  JsonObject bare(nlohmann::json::object());
  DropManagedFields(bare);
  EXPECT_EQ(bare.body().dump(), "{}");
}

TEST(JsonObject, ListsAreWalked) {
  meta::ListMeta list;
  std::vector<std::string> items;
  const Status walked = ForEachJsonListItem(
      R"({"metadata": {"resourceVersion": "9", "continue": "c"}, "items": [{"a": 1}, {"b": 2}]})",
      list, [&](std::string_view item) {
        items.emplace_back(item);
        return absl::OkStatus();
      });
  ASSERT_TRUE(walked.ok());
  EXPECT_EQ(list.continue_(), "c");
  EXPECT_EQ(items, (std::vector<std::string>{R"({"a":1})", R"({"b":2})"}));
}

TEST(JsonObject, ErrorsAreRead) {
  const auto error = ErrorFromStatus(
      StatusFromJson(nlohmann::json::parse(R"({"kind": "Status", "message": "busy", "code": 429,
          "reason": "TooManyRequests", "details": {"retryAfterSeconds": 2}})")),
      "get x");
  EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(error), "TooManyRequests");
  EXPECT_EQ(RetryAfter(error), absl::Seconds(2));
}

TEST(LineReader, LinesMayComeInPieces) {
  LineReader reader(4);
  std::vector<std::string> lines;
  const auto collect = [&](std::string_view line) {
    lines.emplace_back(line);
    return absl::OkStatus();
  };
  ASSERT_TRUE(reader.Feed("ab", collect).ok());
  ASSERT_TRUE(reader.Feed("cd\nx\ny", collect).ok());
  EXPECT_EQ(lines, (std::vector<std::string>{"abcd", "x"}));
  EXPECT_EQ(reader.Feed("12345", collect).code(), absl::StatusCode::kResourceExhausted);
}

TEST(ResourceVersion, IsANumber) {
  EXPECT_TRUE(IsOlder("99", "100"));
  EXPECT_FALSE(IsOlder("100", "99"));
  EXPECT_FALSE(IsOlder("100", "100"));
  EXPECT_TRUE(IsOlder("", "1"));
}

}  // namespace
}  // namespace berth::kube
