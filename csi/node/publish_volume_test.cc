#include "csi/node/publish_volume.h"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "csi/node/block_device.h"
#include "csi/node/testing/node_fixture.h"

namespace berth {
namespace {

using ::testing::HasSubstr;
using Code = absl::StatusCode;

class PublishVolumeTest : public NodeTest {
 protected:
  std::string other_target() const { return directory_ + "/pod-b"; }
};

TEST_F(PublishVolumeTest, ShowsTheVolumeAtTheTargetUntilItIsUnpublished) {
  ASSERT_TRUE(Stage().ok());
  ASSERT_TRUE(Publish().ok());
  Write(target_ + "/hello", "web-0");
  EXPECT_EQ(Read(staging_path_ + "/hello"), "web-0");
  EXPECT_TRUE(Publish().ok());
  Restart();
  EXPECT_TRUE(Publish().ok());
  ASSERT_TRUE(Unpublish(target_).ok());
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_TRUE(Unpublish(target_).ok());
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(PublishVolumeTest, AReadOnlyPublicationCannotWriteWhileAnotherCan) {
  ASSERT_TRUE(Stage().ok());
  PublishRequest read_only = PublishAt(target_);
  read_only.read_only = true;
  ASSERT_TRUE(Publish(read_only).ok());
  ASSERT_TRUE(Publish(PublishAt(other_target())).ok());
  EXPECT_FALSE(std::ofstream(target_ + "/x").good());
  Write(other_target() + "/x", "seen");
  EXPECT_EQ(Read(target_ + "/x"), "seen");
  EXPECT_TRUE(Publish(read_only).ok());
  EXPECT_EQ(Publish(PublishAt(target_)).code(), Code::kAlreadyExists);
  ASSERT_TRUE(Unpublish(target_).ok());
  ASSERT_TRUE(Unpublish(other_target()).ok());
}

TEST_F(PublishVolumeTest, AModeOfOnePathAllowsOnePath) {
  ASSERT_TRUE(Stage().ok());
  ASSERT_TRUE(Publish().ok());
  PublishRequest second = PublishAt(other_target());
  second.at_most_one_path = true;
  const Status status = Publish(second);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(target_));
  ASSERT_TRUE(Unpublish(target_).ok());
  EXPECT_TRUE(Publish(second).ok());
}

// ReadWriteOncePod: whoever comes later may ask for a mode that allows several.
TEST_F(PublishVolumeTest, APublicationOfAModeOfOnePathKeepsOthersAway) {
  ASSERT_TRUE(Stage().ok());
  PublishRequest only = PublishAt(target_);
  only.at_most_one_path = true;
  ASSERT_TRUE(Publish(only).ok());
  Restart();
  EXPECT_TRUE(Publish(only).ok());
  EXPECT_EQ(Publish(PublishAt(other_target())).code(), Code::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(other_target()));
  ASSERT_TRUE(Unpublish(target_).ok());
  EXPECT_TRUE(Publish(PublishAt(other_target())).ok());
}

TEST_F(PublishVolumeTest, NeedsAStagedVolume) {
  EXPECT_EQ(Publish().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(Stage().ok());
  ASSERT_EQ(umount2(staging_path_.c_str(), 0), 0);
  EXPECT_EQ(Publish().code(), Code::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(target_));
  ASSERT_EQ(mount("tmpfs", staging_path_.c_str(), "tmpfs", 0, "size=1m"), 0);
  const Status status = Publish();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tmpfs"));
  Restart("boot-2");
  EXPECT_EQ(Publish().code(), Code::kFailedPrecondition);
}

TEST_F(PublishVolumeTest, AMissingParentDirectoryIsTheCallers) {
  ASSERT_TRUE(Stage().ok());
  const Status status = Publish(PublishAt(directory_ + "/no/pod"));
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("parent directory"));
}

TEST_F(PublishVolumeTest, WhatSomebodyElseMountedAtTheTargetStays) {
  ASSERT_TRUE(Stage().ok());
  std::filesystem::create_directory(target_);
  ASSERT_EQ(mount("tmpfs", target_.c_str(), "tmpfs", 0, "size=1m"), 0);
  Write(target_ + "/theirs", "kept");
  EXPECT_EQ(Publish().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Unpublish(target_).code(), Code::kFailedPrecondition);
  EXPECT_EQ(Read(target_ + "/theirs"), "kept");
}

TEST_F(PublishVolumeTest, UnpublishRemovesNothingThatHoldsSomething) {
  std::filesystem::create_directory(target_);
  Write(target_ + "/data", "kept");
  EXPECT_EQ(Unpublish(target_).code(), Code::kFailedPrecondition);
  Write(other_target(), "kept");
  EXPECT_EQ(Unpublish(other_target()).code(), Code::kFailedPrecondition);
  EXPECT_EQ(Read(target_ + "/data"), "kept");
  EXPECT_EQ(Read(other_target()), "kept");
}

// The record names the target before anything is done there.
TEST_F(PublishVolumeTest, ACrashBetweenRecordAndMountIsMadeGoodEitherWay) {
  ASSERT_TRUE(Stage().ok());
  StageRecord record = records_->Get(volume_)->value();
  record.targets[target_] = {};
  ASSERT_TRUE(records_->Put(record).ok());
  Restart();
  EXPECT_TRUE(Publish().ok());
  EXPECT_TRUE(IsMounted(target_));
  ASSERT_TRUE(Unpublish(target_).ok());

  ASSERT_TRUE(records_->Put(record).ok());
  std::filesystem::create_directory(target_);
  Restart();
  EXPECT_TRUE(Unpublish(target_).ok());
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(PublishVolumeTest, AfterABootOnlyTheTargetIsLeftToRemove) {
  ASSERT_TRUE(Stage().ok());
  ASSERT_TRUE(Publish().ok());
  ASSERT_EQ(umount2(target_.c_str(), 0), 0);
  ASSERT_EQ(umount2(staging_path_.c_str(), 0), 0);
  ASSERT_TRUE(attacher_->Detach(volume_, Deadline()).ok());
  Restart("boot-2");
  EXPECT_TRUE(Unpublish(target_).ok());
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

class BlockVolumeTest : public PublishVolumeTest {
 protected:
  std::string image() const { return directory_ + "/images/" + volume_.image; }
};

TEST_F(BlockVolumeTest, TheTargetIsTheDeviceAndTheBytesAreTheImages) {
  ASSERT_TRUE(Stage(StageBlock()).ok());
  EXPECT_FALSE(IsMounted(staging_path_));
  ASSERT_TRUE(Publish(PublishBlockAt(target_)).ok());
  struct stat entry = {};
  ASSERT_EQ(stat(target_.c_str(), &entry), 0);
  ASSERT_TRUE(S_ISBLK(entry.st_mode));
  EXPECT_EQ(BlockDeviceSizeBytes(target_).value(), 16u << 20);
  Write(target_, "raw bytes");
  EXPECT_TRUE(Publish(PublishBlockAt(target_)).ok());
  Restart();
  EXPECT_TRUE(Publish(PublishBlockAt(target_)).ok());
  EXPECT_EQ(Unstage().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(Unpublish(target_).ok());
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
  EXPECT_EQ(Read(image()).substr(0, 9), "raw bytes");
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kNone);
}

TEST_F(BlockVolumeTest, IsNeitherPublishedAsAFileSystemNorReadOnly) {
  ASSERT_TRUE(Stage(StageBlock()).ok());
  EXPECT_EQ(Publish(PublishAt(target_)).code(), Code::kFailedPrecondition);
  PublishRequest read_only = PublishBlockAt(target_);
  read_only.read_only = true;
  EXPECT_EQ(Publish(read_only).code(), Code::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(BlockVolumeTest, ADeviceThatIsAnotherVolumeByNowIsNotPublished) {
  ASSERT_TRUE(Stage(StageBlock()).ok());
  ASSERT_TRUE(attacher_->Detach(volume_, Deadline()).ok());
  EXPECT_EQ(Publish(PublishBlockAt(target_)).code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace berth
