#include "rbd/record.h"

#include <gtest/gtest.h>

namespace berth {
namespace {

VolumeRecord Sample() {
  VolumeRecord record;
  record.image = "pvc-1";
  record.request_name = "pvc-1";
  record.request = "pool=rbd";
  record.state = VolumeState::kReady;
  record.image_id = "abc";
  record.size_bytes = 1 << 30;
  record.owner = {{"claim", "default/www-web-0"}};
  record.file_system = {FormatState::kFormatted, "ext4", "u-u-i-d", 4};
  record.writer = {
      7, "n1", "boot", ClaimState::kOpen, {"10.0.0.1:0/12", "10.0.0.1:0/9"}, {"10.0.0.1:0/9"}};
  record.trash_retention_s = 60;
  record.attempted_s = 1000;
  return record;
}

TEST(VolumeRecord, ReadsWhatItWrites) {
  const VolumeRecord record = Sample();
  const StatusOr<VolumeRecord> read = ParseVolumeRecord("pvc-1", record.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), record.ToJson());
  EXPECT_EQ(read->writer, record.writer);
  EXPECT_EQ(read->file_system, record.file_system);
  EXPECT_EQ(read->owner, record.owner);
  EXPECT_EQ(read->attempted_s, record.attempted_s);
}

TEST(VolumeRecord, KeepsWhatANewerVersionWrote) {
  nlohmann::json newer = nlohmann::json::parse(Sample().ToJson());
  newer["version"] = 2;
  newer["topology"] = "rack-1";
  newer["writer"]["lease_s"] = 30;
  StatusOr<VolumeRecord> record = ParseVolumeRecord("pvc-1", newer.dump());
  ASSERT_TRUE(record.ok()) << record.status();
  record->writer.epoch = 8;
  const nlohmann::json written = nlohmann::json::parse(record->ToJson());
  EXPECT_EQ(written["version"], 2);
  EXPECT_EQ(written["topology"], "rack-1");
  EXPECT_EQ(written["writer"]["lease_s"], 30);
  EXPECT_EQ(written["writer"]["epoch"], 8);
}

// A program that knows one holder only must not take a shared volume for a free one, and must be
// able to read it again afterwards.
TEST(VolumeRecord, HasAVersionOfItsOwnWhileItIsShared) {
  VolumeRecord record = Sample();
  record.writer = WriterClaim{};
  record.writer.epoch = 9;
  WriterClaim claim = Sample().writer;
  record.shared = SharedClaims{.mode = AccessMode::kReadWriteMany, .claims = {claim}};
  claim.node = "n2";
  record.shared->claims.push_back(claim);
  EXPECT_EQ(nlohmann::json::parse(record.ToJson())["version"], 3);
  StatusOr<VolumeRecord> read = ParseVolumeRecord("pvc-1", record.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->shared, record.shared);
  EXPECT_EQ(read->ToJson(), record.ToJson());
  read->shared.reset();
  const nlohmann::json free = nlohmann::json::parse(read->ToJson());
  EXPECT_EQ(free["version"], 1);
  EXPECT_FALSE(free.contains("shared"));
  EXPECT_EQ(free["writer"]["epoch"], 9);
}

// As a version before 0.3 wrote it.
TEST(VolumeRecord, ReadsARecordWithoutModes) {
  nlohmann::json older = nlohmann::json::parse(Sample().ToJson());
  older["writer"].erase("one_pod");
  const StatusOr<VolumeRecord> read = ParseVolumeRecord("pvc-1", older.dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->writer, Sample().writer);
  EXPECT_FALSE(read->shared.has_value());
}

TEST(VolumeRecord, RefusesWhatItCannotUnderstand) {
  nlohmann::json future = nlohmann::json::parse(Sample().ToJson());
  future["version"] = 4;
  nlohmann::json unknown_mode = nlohmann::json::parse(Sample().ToJson());
  unknown_mode["shared"] = {{"mode", "RWE"}, {"claims", nlohmann::json::array()}};
  nlohmann::json unknown_state = nlohmann::json::parse(Sample().ToJson());
  unknown_state["writer"]["state"] = "dancing";
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[1"),
                                  future.dump(), unknown_state.dump(), unknown_mode.dump()}) {
    const Status status = ParseVolumeRecord("pvc-1", text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_NE(std::string(status.message()).find("pvc-1"), std::string::npos);
  }
}

TEST(TrashRecord, ReadsWhatItWrites) {
  TrashRecord trash;
  trash.image_id = "abc";
  trash.image = "pvc-1";
  trash.purge_after_s = 1234;
  trash.volume = Sample();
  const StatusOr<TrashRecord> read = ParseTrashRecord("abc", trash.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), trash.ToJson());
}

}  // namespace
}  // namespace berth
