#include "rbd/krbd/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rbd/krbd/monitors.h"

namespace berth {
namespace {

using testing::ElementsAre;

const MonitorAddresses kMonitors = {.addresses = {"10.1.2.3:3300", "[fd00::1]:3300"},
                                    .messenger_v2 = true};

Mapping AMapping() {
  return {
      .volume = {.cluster = "lab", .pool = "rbd", .rados_namespace = "team-a", .image = "pvc-1"},
      .epoch = 7,
      .read_only = true};
}

TEST(MappingTest, TheLineIsWhatTheKernelTakes) {
  EXPECT_EQ(
      *MappingLine(AMapping(), kMonitors, "berth", 20),
      "10.1.2.3:3300,[fd00::1]:3300 "
      "name=berth,key=berth/lab/7,noshare,mount_timeout=20,ms_mode=prefer-crc,_pool_ns=team-a,"
      "ro rbd pvc-1 -");
}

TEST(MappingTest, OldMonitorsAndWritableVolumesNeedFewerOptions) {
  Mapping mapping = AMapping();
  mapping.read_only = false;
  mapping.volume.rados_namespace = "";
  EXPECT_EQ(*MappingLine(mapping, {.addresses = {"10.1.2.3:6789"}, .messenger_v2 = false}, "u", 5),
            "10.1.2.3:6789 name=u,key=berth/lab/7,noshare,mount_timeout=5 rbd pvc-1 -");
}

TEST(MappingTest, NamesThatWouldBecomeOptionsAreRefused) {
  Mapping mapping = AMapping();
  mapping.volume.image = "a b";
  EXPECT_TRUE(absl::IsInvalidArgument(MappingLine(mapping, kMonitors, "u", 5).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MappingLine(AMapping(), kMonitors, "u,secret=", 5).status()));
}

TEST(MappingTest, WhatWasMappedIsReadBack) {
  const std::string line = *MappingLine(AMapping(), kMonitors, "berth", 20);
  const auto mapping =
      ParseMapping({.config_info = line, .pool = "rbd", .pool_ns = "team-a", .name = "pvc-1"});
  ASSERT_TRUE(mapping.has_value());
  EXPECT_EQ(mapping->volume, AMapping().volume);
  EXPECT_EQ(mapping->epoch, 7U);
  EXPECT_TRUE(mapping->read_only);
}

TEST(MappingTest, OtherProgramsMappingsAreNotOurs) {
  for (const char* line : {"", "10.1.2.3:6789 name=admin,key=client.admin rbd pvc-1 -",
                           "10.1.2.3:6789 name=admin rbd x", "10.1.2.3:6789 key=berth/lab rbd x -",
                           "10.1.2.3:6789 key=berth/lab/x rbd x -"}) {
    EXPECT_FALSE(ParseMapping({.config_info = line, .pool = "rbd", .pool_ns = "", .name = "pvc-1"}))
        << line;
  }
}

TEST(MonitorsTest, TheSecondProtocolIsPreferred) {
  const auto both = ParseMonitors(
      R"({"mons":[{"public_addrs":{"addrvec":[{"type":"v2","addr":"10.1.2.3:3300","nonce":0},
                                              {"type":"v1","addr":"10.1.2.3:6789","nonce":0}]}}]})");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(both->addresses, ElementsAre("10.1.2.3:3300"));
  EXPECT_TRUE(both->messenger_v2);
  const auto old = ParseMonitors(
      R"({"mons":[{"public_addrs":{"addrvec":[{"type":"v1","addr":"10.1.2.3:6789","nonce":0}]}}]})");
  EXPECT_THAT(old->addresses, ElementsAre("10.1.2.3:6789"));
  EXPECT_FALSE(old->messenger_v2);
  EXPECT_TRUE(absl::IsNotFound(ParseMonitors(R"({"mons":[]})").status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMonitors("mons").status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMonitors(R"({"mons":[{"addr":"x"}]})").status()));
}

}  // namespace
}  // namespace berth
