#include "csi/node/stage_volume.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/process.h"
#include "csi/node/mount.h"
#include "csi/node/testing/node_fixture.h"

namespace berth {
namespace {

using ::testing::HasSubstr;
using Code = absl::StatusCode;

class StageVolumeTest : public NodeTest {};

TEST_F(StageVolumeTest, FormatsABlankVolumeMountsItAndKeepsItsData) {
  ASSERT_TRUE(Stage().ok());
  EXPECT_TRUE(IsMounted(staging_path_));
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kFormatted);
  Write(staging_path_ + "/hello", "web-0");
  const std::string uuid = formatting_.Record(volume_).uuid;
  ASSERT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();

  ASSERT_TRUE(Stage(2).ok());
  EXPECT_EQ(Read(staging_path_ + "/hello"), "web-0");
  EXPECT_EQ(formatting_.Record(volume_).uuid, uuid);
  ASSERT_TRUE(Unstage().ok());
}

TEST_F(StageVolumeTest, MayBeRepeatedByAnyProcess) {
  ASSERT_TRUE(Stage().ok());
  EXPECT_TRUE(Stage().ok());
  Restart();
  EXPECT_TRUE(Stage().ok());
  EXPECT_EQ(attacher_->attached(), 1u);
  Restart();
  EXPECT_TRUE(Unstage().ok());
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, AnotherCapabilityAtTheSamePathIsRefused) {
  ASSERT_TRUE(Stage().ok());
  StageRequest other = StageOf(1);
  other.access.mount_flags = {"nodiratime"};
  EXPECT_EQ(Stage(other).code(), Code::kAlreadyExists);
  EXPECT_EQ(Stage(StageBlock()).code(), Code::kAlreadyExists);
  EXPECT_TRUE(IsMounted(staging_path_));
}

TEST_F(StageVolumeTest, AnotherPathIsRefusedAndNamed) {
  ASSERT_TRUE(Stage().ok());
  StageRequest elsewhere = StageOf(1);
  elsewhere.staging_path = directory_ + "/images";
  const Status status = Stage(elsewhere);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(staging_path_));
  EXPECT_EQ(staging_->Unstage(volume_, elsewhere.staging_path, Deadline()).code(),
            Code::kFailedPrecondition);
}

TEST_F(StageVolumeTest, AMissingStagingDirectoryIsTheCallers) {
  StageRequest request = StageOf(1);
  request.staging_path = directory_ + "/nowhere";
  EXPECT_EQ(Stage(request).code(), Code::kFailedPrecondition);
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, AReadOnlyStageOfABlankVolumeFormatsNothing) {
  StageRequest request = StageOf(1);
  request.access.read_only = true;
  const Status status = Stage(request);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kNone);
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, AReadOnlyStageCannotWrite) {
  ASSERT_TRUE(Stage().ok());
  Write(staging_path_ + "/hello", "kept");
  ASSERT_TRUE(Unstage().ok());
  StageRequest request = StageOf(2);
  request.access.read_only = true;
  ASSERT_TRUE(Stage(request).ok());
  EXPECT_EQ(Read(staging_path_ + "/hello"), "kept");
  EXPECT_FALSE(std::ofstream(staging_path_ + "/new").good());
  ASSERT_TRUE(Unstage().ok());
}

// The last writer was cut off: its journal is not replayed, and a device that cannot be written to
// is mounted all the same.
TEST_F(StageVolumeTest, AReadOnlyStageNeedsNoReplayedJournal) {
  ASSERT_TRUE(Stage().ok());
  Write(staging_path_ + "/hello", "kept");
  ASSERT_EQ(RunProcess({"sync", "-f", staging_path_}, Deadline())->exit_code, 0);
  const std::string image = directory_ + "/images/" + volume_.image;
  const std::string cut_off = Read(image);
  ASSERT_TRUE(Unstage().ok());
  Write(image, cut_off);
  const auto header = RunProcess({"dumpe2fs", "-h", image}, Deadline());
  ASSERT_THAT(header->output, HasSubstr("needs_recovery"));
  StageRequest request = StageOf(2);
  request.access.read_only = true;
  ASSERT_TRUE(Stage(request).ok());
  EXPECT_TRUE(IsMounted(staging_path_));
  ASSERT_TRUE(Unstage().ok());
  EXPECT_TRUE(Read(image) == cut_off);
}

// What lies on a device must never be formatted unless it is blank.
class ForeignContentTest : public NodeTest {
 protected:
  std::string image() const { return directory_ + "/images/" + volume_.image; }
  void ExpectRefusedAndUntouched(const std::string& named) {
    const std::string before = Read(image());
    const Status status = Stage();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
    EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/loop"));
    EXPECT_TRUE(Read(image()) == before);
    ExpectNothingIsLeft();
    EXPECT_TRUE(Unstage().ok());
  }
  void RunOnImage(std::vector<std::string> argv) {
    argv.push_back(image());
    const StatusOr<ProcessResult> result = RunProcess(argv, absl::InfiniteFuture());
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->exit_code, 0) << result->output;
  }
};

TEST_F(ForeignContentTest, RawDataIsRefused) {
  Write(image(), "an application's own bytes");
  ExpectRefusedAndUntouched("data of a kind that libblkid does not know");
}

TEST_F(ForeignContentTest, SwapIsRefused) {
  RunOnImage({"mkswap"});
  ExpectRefusedAndUntouched("swap");
}

TEST_F(ForeignContentTest, AnotherFileSystemIsRefused) {
  RunOnImage({"mkfs.ext2", "-q"});
  ExpectRefusedAndUntouched("ext2");
}

TEST_F(ForeignContentTest, ABlankVolumeThatWasFormattedBeforeIsDamage) {
  formatting_.Record(volume_) = {FormatState::kFormatted, "ext4", "some-uuid", 1};
  ExpectRefusedAndUntouched("is not formatted");
}

TEST_F(ForeignContentTest, AnExt4VolumeThatSomebodyElseMadeIsMounted) {
  RunOnImage({"mkfs.ext4", "-q"});
  EXPECT_TRUE(Stage().ok());
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kNone);
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(ForeignContentTest, WhatACutOffMkfsLeftIsFormattedAgain) {
  Write(image(), "half a file system");
  formatting_.Record(volume_) = {FormatState::kFormatting, "ext4",
                                 "6b2cd6d4-1a2b-4c3d-8e4f-001122334455", 1};
  EXPECT_TRUE(Stage().ok());
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kFormatted);
  EXPECT_TRUE(Unstage().ok());
}

TEST_F(ForeignContentTest, DamageIsReportedAndNotMounted) {
  RunOnImage({"mkfs.ext4", "-q"});
  RunOnImage({"debugfs", "-w", "-R", "clri <2>"});  // the root directory's inode
  RunOnImage({"debugfs", "-w", "-R", "set_super_value state 2"});
  const Status status = Stage();
  EXPECT_EQ(status.code(), Code::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("e2fsck -f"));
  EXPECT_FALSE(IsMounted(staging_path_));
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, APathWhereSomethingElseIsMountedIsLeftAlone) {
  ASSERT_EQ(mount("tmpfs", staging_path_.c_str(), "tmpfs", 0, "size=1m"), 0);
  Write(staging_path_ + "/theirs", "kept");
  EXPECT_EQ(Stage().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Unstage().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Read(staging_path_ + "/theirs"), "kept");
  EXPECT_EQ(attacher_->attached(), 0u);
}

TEST_F(StageVolumeTest, AnOlderEpochIsRefusedAndANewerOneAttachesAnew) {
  ASSERT_TRUE(Stage(5).ok());
  Write(staging_path_ + "/hello", "web-0");
  EXPECT_EQ(Stage(4).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(Stage(6).ok());
  EXPECT_EQ(Read(staging_path_ + "/hello"), "web-0");
  EXPECT_EQ(attacher_->List(Deadline())->front().epoch, 6u);
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, AnAttachmentOfAnOlderEpochThatAPodUsesIsNotTakenAway) {
  ASSERT_TRUE(Stage(5).ok());
  ASSERT_TRUE(Publish().ok());
  const Status status = Stage(6);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(target_));
  EXPECT_EQ(Unstage().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(IsMounted(target_));
}

TEST_F(StageVolumeTest, ARecordOfAnotherBootIsGone) {
  ASSERT_TRUE(Stage().ok());
  ASSERT_TRUE(Unmount(staging_path_).ok());  // as a boot does
  ASSERT_TRUE(attacher_->Detach(volume_, Deadline()).ok());
  Restart("boot-2");
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_F(StageVolumeTest, ARecordOfAnotherBootUnmountsNothing) {
  ASSERT_TRUE(Stage().ok());
  Restart("boot-2");
  EXPECT_FALSE(Stage().ok());
  EXPECT_EQ(Unstage().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(IsMounted(staging_path_));
}

TEST_F(StageVolumeTest, AFailedDeviceIsDetachedLazily) {
  ASSERT_TRUE(Stage().ok());
  Fd holder(open(staging_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(Unstage().code(), Code::kFailedPrecondition);  // busy, and sound
  EXPECT_TRUE(IsMounted(staging_path_));
  attacher_->SetHealthy(false);
  EXPECT_FALSE(Unstage().ok());  // the device is still held by `holder`
  EXPECT_FALSE(IsMounted(staging_path_));
  holder.Reset();
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

// The process dies at each point of a stage and of an unstage at which it has just done, or is
// about to do, something outside itself.
class CrashTest : public NodeTest, public testing::WithParamInterface<const char*> {
 protected:
  void CrashAt(const std::string& point) {
    const auto hook = [point](const std::string& reached) {
      if (reached == point) throw Crash();
    };
    attacher_->SetHook(hook);
    formatting_.SetHook(hook);
  }
};

class StageCrashTest : public CrashTest {};

TEST_P(StageCrashTest, ARepeatedStageGoesOn) {
  CrashAt(GetParam());
  EXPECT_THROW(static_cast<void>(Stage()), Crash);
  Restart();
  ASSERT_TRUE(Stage().ok());
  EXPECT_EQ(formatting_.Record(volume_).state, FormatState::kFormatted);
  Write(staging_path_ + "/hello", "web-0");
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_P(StageCrashTest, AnUnstageLeavesNothing) {
  CrashAt(GetParam());
  EXPECT_THROW(static_cast<void>(Stage()), Crash);
  Restart();
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

INSTANTIATE_TEST_SUITE_P(EachPoint, StageCrashTest,
                         testing::Values("before attach", "after attach", "before begin",
                                         "after begin", "before complete", "after complete"));

class UnstageCrashTest : public CrashTest {};

TEST_P(UnstageCrashTest, ARepeatedUnstageGoesOn) {
  ASSERT_TRUE(Stage().ok());
  Write(staging_path_ + "/hello", "web-0");
  CrashAt(GetParam());
  EXPECT_THROW(static_cast<void>(Unstage()), Crash);
  Restart();
  EXPECT_TRUE(Unstage().ok());
  ExpectNothingIsLeft();
}

TEST_P(UnstageCrashTest, AStageMayFollow) {
  ASSERT_TRUE(Stage().ok());
  Write(staging_path_ + "/hello", "web-0");
  CrashAt(GetParam());
  EXPECT_THROW(static_cast<void>(Unstage()), Crash);
  Restart();
  ASSERT_TRUE(Stage(2).ok());
  EXPECT_EQ(Read(staging_path_ + "/hello"), "web-0");
  EXPECT_TRUE(Unstage().ok());
}

INSTANTIATE_TEST_SUITE_P(EachPoint, UnstageCrashTest,
                         testing::Values("before detach", "after detach"));

}  // namespace
}  // namespace berth
