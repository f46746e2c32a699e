#include "rbd/volume_claims.h"

#include <gmock/gmock.h>

#include <set>

namespace berth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Code = absl::StatusCode;

constexpr AccessMode kAll[] = {AccessMode::kReadWriteOnce, AccessMode::kReadWriteOncePod,
                               AccessMode::kReadOnlyMany, AccessMode::kReadWriteMany};

uint64_t Publish(VolumeRecord& record, const std::string& node, AccessMode mode) {
  const StatusOr<uint64_t> epoch = PublishVolume(record, node, mode);
  EXPECT_TRUE(epoch.ok()) << epoch.status();
  return epoch.value_or(0);
}

void Open(VolumeRecord& record, const std::string& node, uint64_t epoch,
          const std::string& instance) {
  WriterClaim& claim = ClaimOf(record, node);
  EXPECT_TRUE(BeginOpenClaim(claim, node, epoch, "boot", instance).ok());
  EXPECT_TRUE(CompleteOpenClaim(claim, node, epoch, instance).ok());
}

std::vector<std::string> HolderNames(const VolumeRecord& record) {
  std::vector<std::string> names;
  for (const WriterClaim& claim : HeldClaims(record)) names.push_back(claim.node);
  return names;
}

TEST(VolumeClaims, ModesGoTogetherOnlyWhereSeveralNodesShareInTheSameWay) {
  for (const AccessMode first : kAll) {
    for (const AccessMode second : kAll) {
      VolumeRecord record;
      Publish(record, "n1", first);
      const std::string before = record.ToJson();
      const StatusOr<uint64_t> other = PublishVolume(record, "n2", second);
      const bool goes = first == second && IsShared(first);
      const std::string both =
          std::string(AccessModeName(first)) + " and " + std::string(AccessModeName(second));
      EXPECT_EQ(other.ok(), goes) << both;
      if (goes) continue;
      EXPECT_EQ(other.status().code(), Code::kFailedPrecondition) << both;
      EXPECT_THAT(std::string(other.status().message()), HasSubstr("\"n1\"")) << both;
      EXPECT_EQ(record.ToJson(), before) << both;
    }
  }
}

TEST(VolumeClaims, ANodeThatHasItInAnotherWayIsToldSo) {
  VolumeRecord record;
  Publish(record, "n1", AccessMode::kReadOnlyMany);
  for (const AccessMode mode : {AccessMode::kReadWriteOnce, AccessMode::kReadWriteMany}) {
    EXPECT_EQ(PublishVolume(record, "n1", mode).status().code(), Code::kAlreadyExists);
  }
  VolumeRecord single;
  Publish(single, "n1", AccessMode::kReadWriteOnce);
  EXPECT_EQ(PublishVolume(single, "n1", AccessMode::kReadOnlyMany).status().code(),
            Code::kAlreadyExists);
}

TEST(VolumeClaims, EveryNodeHasAClaimOfItsOwn) {
  VolumeRecord record;
  const uint64_t first = Publish(record, "n2", AccessMode::kReadWriteMany);
  const uint64_t second = Publish(record, "n1", AccessMode::kReadWriteMany);
  EXPECT_NE(first, second);
  EXPECT_EQ(Publish(record, "n2", AccessMode::kReadWriteMany), first) << "repeated";
  EXPECT_THAT(HolderNames(record), ElementsAre("n1", "n2"));
  Open(record, "n1", second, "a1");
  Open(record, "n2", first, "b1");
  EXPECT_FALSE(BeginOpenClaim(ClaimOf(record, "n1"), "n1", first, "boot", "a2").ok());
  EXPECT_FALSE(BeginOpenClaim(ClaimOf(record, "n3"), "n3", first, "boot", "c1").ok());
  EXPECT_THAT(ClaimOf(record, "n1").instances, ElementsAre("a1"));
  EXPECT_THAT(ClaimOf(record, "n2").instances, ElementsAre("b1"));
  EXPECT_EQ(record.writer.state, ClaimState::kFree);
  EXPECT_TRUE(Holds(record, "n1"));
  EXPECT_FALSE(Holds(record, "n3"));
}

TEST(VolumeClaims, OneNodeIsTakenOutWhileTheOthersGoOn) {
  VolumeRecord record;
  const uint64_t one = Publish(record, "n1", AccessMode::kReadWriteMany);
  const uint64_t two = Publish(record, "n2", AccessMode::kReadWriteMany);
  Open(record, "n1", one, "a1");
  Open(record, "n2", two, "b1");
  const WriterClaim untouched = ClaimOf(record, "n2");
  ASSERT_TRUE(BeginRevokeVolume(record, "n1").ok());
  const std::vector<WriterClaim> revoking = RevokingClaims(record, "n1");
  ASSERT_EQ(revoking.size(), 1U);
  EXPECT_THAT(revoking[0].instances, ElementsAre("a1"));
  EXPECT_THAT(RevokingClaims(record, "n2"), IsEmpty());
  EXPECT_EQ(PublishVolume(record, "n1", AccessMode::kReadWriteMany).status().code(),
            Code::kAborted);
  ASSERT_TRUE(CompleteRevokeVolume(record, "n1", one).ok());
  EXPECT_TRUE(CompleteRevokeVolume(record, "n1", one).ok()) << "another controller did it";
  EXPECT_THAT(HolderNames(record), ElementsAre("n2"));
  EXPECT_EQ(ClaimOf(record, "n2"), untouched);
  EXPECT_FALSE(BeginOpenClaim(ClaimOf(record, "n1"), "n1", one, "boot", "a2").ok());
}

TEST(VolumeClaims, NoEpochIsGivenTwice) {
  VolumeRecord record;
  std::set<uint64_t> epochs;
  size_t given = 0;
  for (const AccessMode mode :
       {AccessMode::kReadWriteOnce, AccessMode::kReadOnlyMany, AccessMode::kReadWriteMany,
        AccessMode::kReadWriteOncePod, AccessMode::kReadWriteMany}) {
    const bool shared = IsShared(mode);
    for (const char* node : {"n1", "n2", "n3"}) {
      if (!shared && node != std::string("n1")) continue;
      epochs.insert(Publish(record, node, mode));
      ++given;
    }
    if (shared) {
      ASSERT_TRUE(BeginRevokeVolume(record, "n2").ok());
      epochs.insert(Publish(record, "n2", mode));
      ++given;
    }
    ASSERT_TRUE(BeginRevokeVolume(record, "").ok());
    EXPECT_THAT(HolderNames(record), IsEmpty());
  }
  EXPECT_EQ(epochs.size(), given);
  EXPECT_GT(record.writer.epoch, *epochs.rbegin());
}

TEST(VolumeClaims, ANodeThatClosedGetsANewEpochWithoutAnUnpublish) {
  VolumeRecord record;
  const uint64_t one = Publish(record, "n1", AccessMode::kReadWriteMany);
  const uint64_t two = Publish(record, "n2", AccessMode::kReadWriteMany);
  Open(record, "n1", one, "a1");
  ASSERT_TRUE(CloseInstance(record, "a1").ok());
  EXPECT_EQ(ClaimOf(record, "n1").state, ClaimState::kClosed);
  EXPECT_GT(Publish(record, "n1", AccessMode::kReadWriteMany), two);
  EXPECT_EQ(Publish(record, "n2", AccessMode::kReadWriteMany), two);
}

TEST(VolumeClaims, ReadersLeaveNothingToFence) {
  VolumeRecord record;
  const uint64_t epoch = Publish(record, "n1", AccessMode::kReadOnlyMany);
  EXPECT_TRUE(CheckClaim(ClaimOf(record, "n1"), "n1", epoch).ok());
  EXPECT_FALSE(CheckClaim(ClaimOf(record, "n2"), "n2", epoch).ok());
  ASSERT_TRUE(BeginRevokeVolume(record, "n1").ok());
  EXPECT_FALSE(record.shared.has_value());
  EXPECT_FALSE(CheckClaim(ClaimOf(record, "n1"), "n1", epoch).ok());
  Publish(record, "n2", AccessMode::kReadWriteOnce);
}

TEST(VolumeClaims, WordsForPeopleSayNodeAndMode) {
  VolumeRecord record;
  Publish(record, "n1", AccessMode::kReadWriteOncePod);
  EXPECT_EQ(HoldersInWords(record), "node \"n1\" (RWOP, claim published at epoch 1)");
  ASSERT_TRUE(BeginRevokeVolume(record, "").ok());
  Publish(record, "n1", AccessMode::kReadOnlyMany);
  Publish(record, "n2", AccessMode::kReadOnlyMany);
  EXPECT_EQ(HoldersInWords(record),
            "node \"n1\" (ROX, claim published at epoch 3), node \"n2\" (ROX, claim published at "
            "epoch 4)");
}

}  // namespace
}  // namespace berth
