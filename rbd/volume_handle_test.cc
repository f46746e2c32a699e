#include "rbd/volume_handle.h"

#include <gtest/gtest.h>

#include <string>

namespace berth {
namespace {

TEST(VolumeHandle, ReadsWhatItWrites) {
  for (const char* text : {"lab/rbd/pvc-1", "lab/rbd/team-a/pvc-1", "c1/pool.x/b-0123"}) {
    const StatusOr<VolumeHandle> handle = ParseVolumeHandle(text);
    ASSERT_TRUE(handle.ok()) << handle.status();
    EXPECT_EQ(handle->ToString(), text);
  }
}

TEST(VolumeHandle, ImageSpecIsWhatRbdInfoTakes) {
  EXPECT_EQ(ParseVolumeHandle("lab/rbd/a/img")->ImageSpec(), "rbd/a/img");
  EXPECT_EQ(ParseVolumeHandle("lab/rbd/img")->ImageSpec(), "rbd/img");
}

TEST(VolumeHandle, RefusesWhatIsNoHandle) {
  for (const std::string& text :
       {std::string(""), std::string("image"), std::string("rbd/image"), std::string("a//b"),
        std::string("lab/rbd/"), std::string("LAB/rbd/x"), std::string("lab/rbd/../x"),
        std::string("lab/rbd/im@snap"), std::string("lab/rbd/a b"), std::string("a/b/c/d/e"),
        "lab/rbd/" + std::string(121, 'x')}) {
    EXPECT_EQ(ParseVolumeHandle(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(VolumeHandle, LongestHandleIsAccepted) {
  EXPECT_TRUE(ParseVolumeHandle("lab/rbd/" + std::string(120, 'x')).ok());
}

TEST(ImageName, KeepsPlainNamesAndHashesOthers) {
  EXPECT_EQ(ImageNameFor("pvc-7f3a.B_2"), "pvc-7f3a.B_2");
  for (const std::string& name :
       {std::string("-x"), std::string("a/b"), std::string("名前"), std::string(64, 'a')}) {
    const std::string image = ImageNameFor(name);
    EXPECT_EQ(image.size(), 42U) << name;
    EXPECT_EQ(image.substr(0, 2), "b-") << name;
  }
  EXPECT_NE(ImageNameFor("a/b"), ImageNameFor("a/c"));
}

}  // namespace
}  // namespace berth
