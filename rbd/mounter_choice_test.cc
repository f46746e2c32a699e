#include "rbd/mounter_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/time/clock.h"

namespace berth {
namespace {

using testing::HasSubstr;

const VolumeHandle kVolume{.cluster = "lab", .pool = "rbd", .rados_namespace = "", .image = "v"};

// Devices of this node that only exist by name.
class NamedDevices final : public Attacher {
 public:
  explicit NamedDevices(std::string device) : device_(std::move(device)) {}
  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time) override {
    Attachment& attachment = attached_[request.volume];
    attachment.volume = request.volume;
    attachment.device = device_;
    return attachment;
  }
  Status Detach(const VolumeHandle& volume, absl::Time) override {
    attached_.erase(volume);
    return absl::OkStatus();
  }
  StatusOr<std::vector<Attachment>> List(absl::Time) override {
    if (silent) return absl::UnavailableError("nobody listens");
    std::vector<Attachment> all;
    for (const auto& [volume, attachment] : attached_) all.push_back(attachment);
    return all;
  }
  bool silent = false;

 private:
  const std::string device_;
  std::map<VolumeHandle, Attachment> attached_;
};

class MounterChoiceTest : public testing::Test {
 protected:
  static AttachRequest Request() {
    AttachRequest request;
    request.volume = kVolume;
    return request;
  }
  const absl::Time soon_ = absl::Now() + absl::Seconds(10);
  NamedDevices krbd_{"/dev/rbd0"};
  NamedDevices fuse_{"/dev/loop0"};
};

TEST_F(MounterChoiceTest, TheChosenOneAttaches) {
  MounterChoice choice(krbd_, fuse_);
  EXPECT_EQ(choice.Attach(Request(), soon_)->device, "/dev/rbd0");
  EXPECT_EQ(choice.List(soon_)->size(), 1U);
  EXPECT_TRUE(choice.Detach(kVolume, soon_).ok());
  EXPECT_TRUE(choice.List(soon_)->empty());
}

TEST_F(MounterChoiceTest, WhatIsAttachedStaysWithWhoeverDid) {
  ASSERT_TRUE(MounterChoice(fuse_, krbd_).Attach(Request(), soon_).ok());
  MounterChoice changed(krbd_, fuse_);
  EXPECT_EQ(changed.Attach(Request(), soon_)->device, "/dev/loop0");
  EXPECT_EQ(changed.List(soon_)->size(), 1U);
  EXPECT_TRUE(changed.Detach(kVolume, soon_).ok());
  EXPECT_EQ(changed.Attach(Request(), soon_)->device, "/dev/rbd0");
}

TEST_F(MounterChoiceTest, NothingIsAttachedWhileTheOtherMayHaveIt) {
  fuse_.silent = true;
  MounterChoice choice(krbd_, fuse_);
  EXPECT_TRUE(absl::IsUnavailable(choice.Attach(Request(), soon_).status()));
  EXPECT_TRUE(absl::IsUnavailable(choice.Detach(kVolume, soon_)));
  EXPECT_TRUE(krbd_.List(soon_)->empty());
}

TEST(ChooseMounterTest, AutoTakesWhatIsThereAndSaysWhy) {
  const Status missing = absl::FailedPreconditionError("module rbd is not loaded");
  EXPECT_EQ(ChooseMounter(Mounter::kAuto, absl::OkStatus())->mounter, Mounter::kKrbd);
  const auto fuse = ChooseMounter(Mounter::kAuto, missing);
  EXPECT_EQ(fuse->mounter, Mounter::kFuse);
  EXPECT_THAT(fuse->why, HasSubstr("module rbd is not loaded"));
  EXPECT_EQ(ChooseMounter(Mounter::kFuse, absl::OkStatus())->mounter, Mounter::kFuse);
  EXPECT_TRUE(absl::IsFailedPrecondition(ChooseMounter(Mounter::kKrbd, missing).status()));
}

TEST(ChooseMounterTest, OnlyItsNamesAreRead) {
  EXPECT_EQ(ParseMounter("auto"), Mounter::kAuto);
  EXPECT_EQ(ParseMounter("krbd"), Mounter::kKrbd);
  EXPECT_EQ(ParseMounter("fuse"), Mounter::kFuse);
  EXPECT_FALSE(ParseMounter("nbd").has_value());
}

}  // namespace
}  // namespace berth
