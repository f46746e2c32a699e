#include "csi/request_checks.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <utility>

namespace berth {
namespace {

using ::csi::v1::VolumeCapability;
using ::testing::HasSubstr;

std::string Message(const Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

VolumeCapability MountCapability(VolumeCapability::AccessMode::Mode mode) {
  VolumeCapability capability;
  capability.mutable_mount();
  capability.mutable_access_mode()->set_mode(mode);
  return capability;
}

TEST(RequestChecks, StringsHaveCsisLimits) {
  EXPECT_TRUE(CheckVolumeId(std::string(128, 'a')).ok());
  EXPECT_THAT(Message(CheckVolumeId("")), HasSubstr("volume_id is missing"));
  EXPECT_THAT(Message(CheckVolumeId(std::string(129, 'a'))), HasSubstr("129 bytes"));
  EXPECT_THAT(Message(CheckRequired("name", "a\nb")), HasSubstr("name holds a control"));
}

TEST(RequestChecks, PathsAreAbsoluteAndPlain) {
  EXPECT_TRUE(CheckPath("target_path", "/var/lib/kubelet/x..y/.z").ok());
  for (const char* bad : {"", "relative", "/a/../b", "/a/./b", "/a\nb"}) {
    EXPECT_THAT(Message(CheckPath("target_path", bad)), HasSubstr("target_path")) << bad;
  }
}

TEST(RequestChecks, MapsHaveCsisLimit) {
  google::protobuf::Map<std::string, std::string> map;
  map["key"] = std::string(4093, 's');
  EXPECT_TRUE(CheckMap("secrets", map).ok());
  map["key"] += "s";
  const std::string message = Message(CheckMap("secrets", map));
  EXPECT_EQ(message, "secrets has 4097 bytes; the limit is 4096");
}

TEST(RequestChecks, WhatIsServedAndWhatIsRefusedByName) {
  using Mode = VolumeCapability::AccessMode;
  for (const auto mode :
       {Mode::SINGLE_NODE_WRITER, Mode::SINGLE_NODE_SINGLE_WRITER, Mode::SINGLE_NODE_MULTI_WRITER,
        Mode::SINGLE_NODE_READER_ONLY, Mode::MULTI_NODE_READER_ONLY}) {
    EXPECT_TRUE(CheckCapability(MountCapability(mode)).ok()) << Mode::Mode_Name(mode);
  }
  for (const auto mode : {Mode::MULTI_NODE_SINGLE_WRITER, Mode::MULTI_NODE_MULTI_WRITER}) {
    EXPECT_THAT(Message(CheckCapability(MountCapability(mode))), HasSubstr(Mode::Mode_Name(mode)));
  }
  VolumeCapability shared = MountCapability(Mode::MULTI_NODE_MULTI_WRITER);
  EXPECT_THAT(Message(CheckCapability(shared)), HasSubstr("volumeMode Block"));
  shared.mutable_block();
  EXPECT_TRUE(CheckCapability(shared).ok());
  shared.mutable_access_mode()->set_mode(Mode::MULTI_NODE_SINGLE_WRITER);
  EXPECT_THAT(Message(CheckCapability(shared)), HasSubstr("MULTI_NODE_SINGLE_WRITER"));
  EXPECT_THAT(Message(CheckCapability(MountCapability(Mode::UNKNOWN))),
              HasSubstr("access_mode is missing"));
  EXPECT_THAT(Message(CheckCapability(VolumeCapability())), HasSubstr("access type"));
}

TEST(RequestChecks, ModesHaveKubernetesNames) {
  using Mode = VolumeCapability::AccessMode;
  const std::map<Mode::Mode, std::pair<AccessMode, bool>> expected = {
      {Mode::SINGLE_NODE_WRITER, {AccessMode::kReadWriteOnce, false}},
      {Mode::SINGLE_NODE_MULTI_WRITER, {AccessMode::kReadWriteOnce, false}},
      {Mode::SINGLE_NODE_READER_ONLY, {AccessMode::kReadWriteOnce, true}},
      {Mode::SINGLE_NODE_SINGLE_WRITER, {AccessMode::kReadWriteOncePod, false}},
      {Mode::MULTI_NODE_READER_ONLY, {AccessMode::kReadOnlyMany, true}},
      {Mode::MULTI_NODE_MULTI_WRITER, {AccessMode::kReadWriteMany, false}}};
  for (const auto& [mode, meaning] : expected) {
    EXPECT_EQ(AccessModeOf(MountCapability(mode)), meaning.first) << Mode::Mode_Name(mode);
    EXPECT_EQ(IsReadOnly(MountCapability(mode)), meaning.second) << Mode::Mode_Name(mode);
  }
}

TEST(RequestChecks, AnUnknownFileSystemIsNamedTogetherWithTheKnownOne) {
  VolumeCapability capability = MountCapability(VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  EXPECT_EQ(FileSystemOf(capability), "ext4");
  capability.mutable_mount()->set_fs_type("reiserfs");
  const std::string message = Message(CheckCapability(capability));
  EXPECT_THAT(message, HasSubstr("\"reiserfs\""));
  EXPECT_THAT(message, HasSubstr("ext4"));
}

TEST(RequestChecks, MountFlagsAreOptionsAndNotOperations) {
  VolumeCapability capability = MountCapability(VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  capability.mutable_mount()->add_mount_flags("noatime,data=ordered");
  EXPECT_TRUE(CheckCapability(capability).ok());
  for (const char* bad : {"noatime,remount", "bind", "loop=/dev/loop0", "", "a\nb"}) {
    capability.mutable_mount()->set_mount_flags(0, bad);
    EXPECT_THAT(Message(CheckCapability(capability)), HasSubstr("mount_flags")) << bad;
  }
}

TEST(RequestChecks, TheEpochComesFromThePublishContext) {
  google::protobuf::Map<std::string, std::string> context;
  EXPECT_THAT(Message(EpochFromPublishContext(context).status()),
              HasSubstr("ControllerPublishVolume"));
  for (const char* bad : {"", "0", "-1", "seven", "18446744073709551616"}) {
    context["berth.storage/epoch"] = bad;
    EXPECT_THAT(Message(EpochFromPublishContext(context).status()), HasSubstr("not an epoch"));
  }
  context["berth.storage/epoch"] = "7";
  EXPECT_EQ(EpochFromPublishContext(context).value(), 7u);
}

}  // namespace
}  // namespace berth
