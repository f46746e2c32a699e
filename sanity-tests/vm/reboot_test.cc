// A machine that goes down without a word while a volume is in use, and comes up again. Each suite
// is a part of the story and runs in a boot of its own; $BERTH_VM_STATE outlives the machine.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>
#include <string>

#include "csi/node/mount.h"
#include "sanity-tests/vm/csi_node.h"
#include "sanity-tests/vm/files.h"

namespace berth {
namespace {

class RebootTest : public testing::TestWithParam<std::string> {
 protected:
  RebootTest() : node_(std::string(std::getenv("BERTH_VM_STATE")) + "/" + GetParam(), GetParam()) {}

  void BringUp(const std::string& volume) {
    const auto context = node_.ControllerPublish(volume);
    ASSERT_TRUE(context.ok()) << context.status();
    Status status = node_.Stage(volume, *context);
    ASSERT_TRUE(status.ok()) << status;
    status = node_.NodePublish(volume, *context);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::string File() const { return node_.target_path() + "/file"; }
  std::string VolumeId() const { return "lab/rbd/" + Name(); }
  std::string Name() const { return "vm-reboot-" + GetParam(); }

  CsiNode node_;
};

class FirstBoot : public RebootTest {};
class SecondBoot : public RebootTest {};
class ThirdBoot : public RebootTest {};

TEST_P(FirstBoot, AVolumeIsInUse) {
  const auto created = node_.CreateVolume(Name(), 64 << 20);
  ASSERT_TRUE(created.ok()) << created.status();
  ASSERT_EQ(*created, VolumeId());
  BringUp(VolumeId());
  ASSERT_EQ(WriteSynced(File(), "first"), 0);
  node_.Abandon();
}

// What a kubelet may ask first is to take away what it believes is there.
TEST_P(SecondBoot, NothingIsBelievedToBeThere) {
  EXPECT_EQ(node_.StagedDevice(), "");
  // Somebody mounted something else at the path meanwhile: it is not ours to unmount.
  ASSERT_EQ(mount("stranger", node_.staging_path().c_str(), "tmpfs", 0, nullptr), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(node_.Unstage(VolumeId())));
  EXPECT_EQ(node_.StagedDevice(), "stranger");
  ASSERT_EQ(umount(node_.staging_path().c_str()), 0);

  EXPECT_TRUE(node_.NodeUnpublish(VolumeId()).ok());
  EXPECT_TRUE(node_.Unstage(VolumeId()).ok());
  EXPECT_TRUE(node_.Unstage(VolumeId()).ok());

  // The attachment of before still stands, and with it the epoch: it is staged anew under it.
  BringUp(VolumeId());
  EXPECT_EQ(ReadAll(File()), "first");
  ASSERT_EQ(WriteSynced(File(), "second"), 0);
  node_.Abandon();
}

// Or it stages at once, while the record of the boot before is still there.
TEST_P(ThirdBoot, AStageGoesThrough) {
  BringUp(VolumeId());
  EXPECT_EQ(ReadAll(File()), "second");
  EXPECT_EQ(WriteSynced(File(), "third"), 0);
  EXPECT_TRUE(node_.NodeUnpublish(VolumeId()).ok());
  EXPECT_TRUE(node_.Unstage(VolumeId()).ok());
  EXPECT_EQ(node_.StagedDevice(), "");
  EXPECT_TRUE(node_.ControllerUnpublish(VolumeId()).ok());
  EXPECT_TRUE(node_.DeleteVolume(VolumeId()).ok());
}

std::string NameOf(const testing::TestParamInfo<std::string>& mounter) { return mounter.param; }
INSTANTIATE_TEST_SUITE_P(Reboot, FirstBoot, testing::Values("krbd", "fuse"), NameOf);
INSTANTIATE_TEST_SUITE_P(Reboot, SecondBoot, testing::Values("krbd", "fuse"), NameOf);
INSTANTIATE_TEST_SUITE_P(Reboot, ThirdBoot, testing::Values("krbd", "fuse"), NameOf);

}  // namespace
}  // namespace berth
