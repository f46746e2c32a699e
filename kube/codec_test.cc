#include "kube/codec.h"

#include <gtest/gtest.h>

#include "kube/api_error.h"
#include "kube/core_v1.h"

namespace berth::kube {
namespace {

core::ConfigMap Map(const std::string& name) {
  core::ConfigMap map;
  map.mutable_metadata()->set_name(name);
  return map;
}

TEST(CodecTest, WhatIsEncodedDecodes) {
  const std::string wire = EncodeObject(ResourceOf<core::ConfigMap>::kResource, Map("a"));
  EXPECT_EQ(wire.substr(0, 4), std::string("k8s\0", 4));
  const StatusOr<WireObject> object = DecodeObject(wire);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->api_version, "v1");
  EXPECT_EQ(object->kind, "ConfigMap");
  EXPECT_EQ(ParseMessage<core::ConfigMap>(object->raw)->metadata().name(), "a");
}

TEST(CodecTest, ForeignBytesAreRefused) {
  EXPECT_EQ(DecodeObject("{\"kind\":\"Status\"}").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeObject(std::string("k8s\0\xff\xff", 6)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeObject("").status().code(), absl::StatusCode::kDataLoss);
}

TEST(CodecTest, FieldsOfANewerServerSurvive) {
  // Field 4095 of ConfigMap, which no version has.
  const std::string newer = Map("a").SerializeAsString() + std::string("\xfa\xff\x01\x01z", 5);
  EXPECT_EQ(ParseMessage<core::ConfigMap>(newer)->SerializeAsString(), newer);
}

TEST(CodecTest, ListsAreWalkedWithoutTheirType) {
  core::ConfigMapList list;
  list.mutable_metadata()->set_resourceversion("42");
  *list.add_items() = Map("a");
  *list.add_items() = Map("b");
  const std::string raw = list.SerializeAsString();
  meta::ListMeta list_meta;
  std::string names;
  const auto collect = [&](std::string_view item) {
    names += ParseMessage<core::ConfigMap>(item)->metadata().name();
    return absl::OkStatus();
  };
  EXPECT_TRUE(ForEachListItem(raw, list_meta, collect).ok());
  EXPECT_EQ(names, "ab");
  EXPECT_EQ(list_meta.resourceversion(), "42");
  for (size_t length = 1; length < raw.size(); ++length) {
    // Cut anywhere it ends with an error or at a field's end, and never reads beyond.
    ForEachListItem(std::string_view(raw).substr(0, length), list_meta, collect).IgnoreError();
  }
  EXPECT_EQ(
      ForEachListItem(std::string_view(raw).substr(0, raw.size() - 1), list_meta, collect).code(),
      absl::StatusCode::kDataLoss);
}

TEST(CodecTest, FramesAreFoundHoweverTheBytesAreCut) {
  const std::string bytes("\0\0\0\2ab\0\0\0\0\0\0\0\1c", 15);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameReader reader(10);
    std::vector<std::string> frames;
    const auto collect = [&](std::string_view frame) {
      frames.emplace_back(frame);
      return absl::OkStatus();
    };
    EXPECT_TRUE(reader.Feed(bytes.substr(0, cut), collect).ok());
    EXPECT_TRUE(reader.Feed(bytes.substr(cut), collect).ok());
    EXPECT_EQ(frames, (std::vector<std::string>{"ab", "", "c"})) << cut;
  }
}

TEST(CodecTest, AFrameAboveTheLimitIsRefusedBeforeItIsCollected) {
  FrameReader reader(10);
  const auto ignore = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_EQ(reader.Feed(std::string("\0\0\0\x0b", 4), ignore).code(),
            absl::StatusCode::kResourceExhausted);
}

Status ErrorFor(int code, const std::string& reason, const std::string& cause = "") {
  meta::Status status;
  status.set_code(code);
  status.set_reason(reason);
  status.set_message("words");
  if (!cause.empty()) status.mutable_details()->add_causes()->set_reason(cause);
  return ErrorFromStatus(status, "get x");
}

TEST(ApiErrorTest, CodesSayWhatTheCallerMayDo) {
  EXPECT_EQ(ErrorFor(409, "AlreadyExists").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrorFor(409, "Conflict").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorFor(422, "Invalid", "FieldValueInvalid").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorFor(422, "Invalid").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorFor(504, "Timeout").code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(IsGone(ErrorFor(410, "Expired")));
  EXPECT_EQ(ReasonOf(ErrorFor(410, "Expired")), "Expired");
  EXPECT_EQ(ErrorFor(403, "Forbidden").message(), "get x: words");
}

TEST(ApiErrorTest, TheTimeToWaitIsKept) {
  EXPECT_EQ(RetryAfter(ErrorFor(429, "TooManyRequests")), std::nullopt);
  EXPECT_EQ(RetryAfter(ErrorFromHttp(429, "busy", "get x", absl::Seconds(3))), absl::Seconds(3));
  meta::Status status;
  status.set_code(429);
  status.mutable_details()->set_retryafterseconds(7);
  EXPECT_EQ(RetryAfter(ErrorFromStatus(status, "get x", absl::Seconds(3))), absl::Seconds(7));
}

}  // namespace
}  // namespace berth::kube
