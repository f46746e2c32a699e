#include "csi/node/stage_record.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace berth {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

StageRecord ARecord() {
  StageRecord record;
  record.volume = {.cluster = "lab", .pool = "rbd", .rados_namespace = "ns", .image = "v1"};
  record.epoch = 7;
  record.boot_id = "boot-1";
  record.staging_path = "/var/lib/kubelet/staging";
  record.access = {.fs_type = "ext4", .mount_flags = {"noatime"}, .read_only = true};
  record.device = "/dev/loop7";
  record.device_number = makedev(7, 7);
  record.targets["/pods/a"].read_only = true;
  return record;
}

class StageRecordTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "berth-state-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  StageRecords Open() { return StageRecords::Open(directory_ + "/state").value(); }
  std::string File() const { return directory_ + "/state/lab@rbd@ns@v1.json"; }

  std::string directory_;
};

TEST_F(StageRecordTest, IsReadBackByTheNextProcess) {
  ASSERT_TRUE(Open().Put(ARecord()).ok());
  const StageRecords records = Open();
  const StageRecord read = records.Get(ARecord().volume)->value();
  EXPECT_EQ(read.volume, ARecord().volume);
  EXPECT_EQ(read.epoch, 7u);
  EXPECT_EQ(read.boot_id, "boot-1");
  EXPECT_EQ(read.staging_path, ARecord().staging_path);
  EXPECT_EQ(read.access, ARecord().access);
  EXPECT_EQ(read.device, "/dev/loop7");
  EXPECT_EQ(read.device_number, makedev(7, 7));
  ASSERT_EQ(read.targets.size(), 1u);
  EXPECT_TRUE(read.targets.at("/pods/a").read_only);
  EXPECT_EQ(records.List()->size(), 1u);
}

TEST_F(StageRecordTest, IsForRootAlone) {
  ASSERT_TRUE(Open().Put(ARecord()).ok());
  struct stat entry = {};
  ASSERT_EQ(stat((directory_ + "/state").c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(File().c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0600u);
}

TEST_F(StageRecordTest, RemoveMayBeRepeated) {
  const StageRecords records = Open();
  ASSERT_TRUE(records.Put(ARecord()).ok());
  EXPECT_TRUE(records.Remove(ARecord().volume).ok());
  EXPECT_TRUE(records.Remove(ARecord().volume).ok());
  EXPECT_FALSE(records.Get(ARecord().volume)->has_value());
}

TEST_F(StageRecordTest, APutThatWasCutOffLeavesTheOldRecord) {
  const StageRecords records = Open();
  ASSERT_TRUE(records.Put(ARecord()).ok());
  std::ofstream(File() + ".new") << "{\"version\": 1, \"vol";
  EXPECT_EQ(records.Get(ARecord().volume)->value().epoch, 7u);
  EXPECT_EQ(records.List()->size(), 1u);
  EXPECT_TRUE(records.Put(ARecord()).ok());
}

TEST_F(StageRecordTest, KeepsWhatTheNextVersionWrote) {
  json value = json::parse(ARecord().ToJson());
  value["version"] = 2;
  value["frozen_since_s"] = 1700000000;
  value["targets"]["/pods/a"]["selinux"] = "context";
  StageRecord record = ParseStageRecord(value.dump()).value();
  record.epoch = 8;
  const json written = json::parse(record.ToJson());
  EXPECT_EQ(written["version"], 2);
  EXPECT_EQ(written["frozen_since_s"], 1700000000);
  EXPECT_EQ(written["targets"]["/pods/a"]["selinux"], "context");
  EXPECT_EQ(written["epoch"], 8);
}

TEST_F(StageRecordTest, RefusesAVersionThatItCannotKnow) {
  json value = json::parse(ARecord().ToJson());
  value["version"] = 3;
  const Status status = ParseStageRecord(value.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 3"));
}

TEST_F(StageRecordTest, NamesADamagedFileAndKeepsIt) {
  const StageRecords records = Open();
  std::ofstream(File()) << "{}";
  for (const Status& status : {records.Get(ARecord().volume).status(), records.List().status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(File()));
  }
  EXPECT_TRUE(std::filesystem::exists(File()));
}

}  // namespace
}  // namespace berth
