#include "rbd/writer_claim.h"

#include <gtest/gtest.h>

namespace berth {
namespace {

using absl::StatusCode;

WriterClaim OpenOn(const std::string& node, const std::string& instance) {
  WriterClaim claim;
  EXPECT_TRUE(PublishClaim(claim, node).ok());
  EXPECT_TRUE(BeginOpenClaim(claim, node, claim.epoch, "boot", instance).ok());
  EXPECT_TRUE(CompleteOpenClaim(claim, node, claim.epoch, instance).ok());
  return claim;
}

TEST(WriterClaim, PublishGivesANewEpochOnce) {
  WriterClaim claim;
  ASSERT_TRUE(PublishClaim(claim, "n1").ok());
  EXPECT_EQ(claim.epoch, 1U);
  ASSERT_TRUE(PublishClaim(claim, "n1").ok());
  EXPECT_EQ(claim.epoch, 1U) << "a repeated publish must not take the claim from its holder";
}

TEST(WriterClaim, SecondNodeIsRefusedAndToldWhoHoldsIt) {
  for (const ClaimState state :
       {ClaimState::kPublished, ClaimState::kOpening, ClaimState::kOpen, ClaimState::kClosed}) {
    WriterClaim claim = {
        .epoch = 3, .node = "n1", .boot_id = {}, .state = state, .instances = {}, .dead = {}};
    const WriterClaim before = claim;
    const Status status = PublishClaim(claim, "n2");
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(std::string(status.message()).find("n1"), std::string::npos);
    EXPECT_EQ(claim, before);
  }
}

TEST(WriterClaim, OpenNeedsNodeAndEpoch) {
  WriterClaim claim;
  ASSERT_TRUE(PublishClaim(claim, "n1").ok());
  EXPECT_FALSE(BeginOpenClaim(claim, "n2", 1, "b", "a1").ok());
  EXPECT_FALSE(BeginOpenClaim(claim, "n1", 0, "b", "a1").ok());
  EXPECT_TRUE(claim.instances.empty());
  EXPECT_FALSE(CompleteOpenClaim(claim, "n1", 1, "a1").ok()) << "not recorded before";
}

TEST(WriterClaim, RevokingStopsEveryStepOfTheNode) {
  WriterClaim claim = OpenOn("n1", "a1");
  ASSERT_TRUE(BeginRevokeClaim(claim, "n1").ok());
  ASSERT_EQ(claim.state, ClaimState::kRevoking);
  EXPECT_FALSE(BeginOpenClaim(claim, "n1", claim.epoch, "b", "a2").ok());
  EXPECT_FALSE(CompleteOpenClaim(claim, "n1", claim.epoch, "a1").ok());
  EXPECT_EQ(PublishClaim(claim, "n2").code(), StatusCode::kAborted);
  EXPECT_EQ(PublishClaim(claim, "n1").code(), StatusCode::kAborted);
  EXPECT_EQ(claim.instances, std::vector<std::string>{"a1"}) << "what must be fenced stands still";
  const uint64_t epoch = claim.epoch;
  ASSERT_TRUE(CompleteRevokeClaim(claim, epoch).ok());
  EXPECT_EQ(claim.state, ClaimState::kFree);
  EXPECT_EQ(claim.epoch, epoch + 1);
  EXPECT_FALSE(BeginOpenClaim(claim, "n1", epoch, "b", "a3").ok()) << "the old epoch is dead";
}

TEST(WriterClaim, NothingToFenceMeansFreeAtOnce) {
  WriterClaim published;
  ASSERT_TRUE(PublishClaim(published, "n1").ok());
  ASSERT_TRUE(BeginRevokeClaim(published, "").ok());
  EXPECT_EQ(published.state, ClaimState::kFree);

  WriterClaim closed = OpenOn("n1", "a1");
  ASSERT_TRUE(CloseClaim(closed, "n1", closed.epoch, "a1").ok());
  EXPECT_EQ(closed.state, ClaimState::kClosed);
  ASSERT_TRUE(BeginRevokeClaim(closed, "n1").ok());
  EXPECT_EQ(closed.state, ClaimState::kFree);
}

TEST(WriterClaim, RevokeForAnotherNodeChangesNothing) {
  WriterClaim claim = OpenOn("n1", "a1");
  const WriterClaim before = claim;
  ASSERT_TRUE(BeginRevokeClaim(claim, "n2").ok());
  EXPECT_EQ(claim, before);
}

TEST(WriterClaim, RespawnKeepsTheOldInstanceUntilItIsClosed) {
  WriterClaim claim = OpenOn("n1", "a1");
  ASSERT_TRUE(BeginOpenClaim(claim, "n1", claim.epoch, "boot", "a2").ok());
  ASSERT_TRUE(CompleteOpenClaim(claim, "n1", claim.epoch, "a2").ok());
  EXPECT_EQ(claim.instances.size(), 2U);
  ASSERT_TRUE(CloseClaim(claim, "n1", claim.epoch, "a1").ok());
  EXPECT_EQ(claim.state, ClaimState::kOpen);
  ASSERT_TRUE(CloseClaim(claim, "n1", claim.epoch, "a2").ok());
  EXPECT_EQ(claim.state, ClaimState::kClosed);
}

TEST(WriterClaim, ASuccessorSaysWhoIsDead) {
  WriterClaim claim = OpenOn("n1", "a1");
  ASSERT_TRUE(
      BeginOpenClaim(claim, "n1", claim.epoch, "boot", "a2", {"a1", "never recorded"}).ok());
  EXPECT_TRUE(IsDead(claim, "a1"));
  EXPECT_FALSE(IsDead(claim, "a2"));
  EXPECT_EQ(claim.dead.size(), 1U);
  ASSERT_TRUE(BeginOpenClaim(claim, "n1", claim.epoch, "boot", "a2", {"a1", "a2"}).ok());
  EXPECT_EQ(claim.dead, std::vector<std::string>{"a1"}) << "nobody calls itself dead";
  ASSERT_TRUE(CloseClaim(claim, "n1", claim.epoch, "a1").ok());
  EXPECT_TRUE(claim.dead.empty());
}

TEST(WriterClaim, CloseOfAnOldEpochTouchesNothing) {
  WriterClaim claim = OpenOn("n2", "b1");
  const WriterClaim before = claim;
  EXPECT_TRUE(CloseClaim(claim, "n1", claim.epoch - 1, "a1").ok());
  EXPECT_TRUE(CloseClaim(claim, "n2", claim.epoch + 1, "b1").ok());
  EXPECT_EQ(claim, before);
}

}  // namespace
}  // namespace berth
