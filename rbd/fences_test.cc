#include "rbd/fences.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "rbd/fence_upkeep.h"
#include "rbd/rados_omap.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/testing/fencer_contract.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class FencesTest : public CephTest {
 protected:
  // Entries outlive a test, so each has addresses of its own, which nobody has (RFC 5737).
  std::string address(int number) const {
    return "192.0.2.7:0/" + std::to_string(nonce_ + static_cast<uint32_t>(number));
  }
  FenceRecord Record(std::string instance = "") const {
    if (instance.empty()) instance = address(1);
    return {.instance = instance, .image = "v", .node = "n1", .boot_id = "boot-1", .epoch = 4};
  }
  Status Fence(const FenceRecord& record, seconds duration = seconds(60)) {
    return fences().Fence(*pool_->client, record, now_, duration);
  }
  Status Uphold() {
    reported_.clear();
    return UpholdFences(
        fences(),
        {.fencer = *pool_->client,
         .now = now_,
         .duration = seconds(60),
         .boot_id_of = [this](const std::string& node) -> StatusOr<std::string> {
           if (!boot_ids_.contains(node)) return absl::NotFoundError(node);
           return boot_ids_[node];
         },
         .report = [this](const FenceRecord& fence, FenceEvent event,
                          const Status&) { reported_.emplace_back(fence.instance, event); }});
  }
  Fences& fences() { return pool_->fences; }
  std::vector<std::string> Listed() {
    std::vector<std::string> instances;
    const std::vector<FenceRecord> all = *fences().List();
    for (const FenceRecord& fence : all) instances.push_back(fence.instance);
    return instances;
  }
  int64_t BlocklistedUntil(const std::string& instance) {
    const std::map<std::string, int64_t> all = *pool_->client->Blocklist();
    return all.contains(instance) ? all.at(instance) : 0;
  }

  const std::shared_ptr<Pool> pool_ = OpenPool();
  absl::Time now_ = absl::Now();
  const uint32_t nonce_ = std::random_device()();
  std::map<std::string, std::string> boot_ids_;
  std::vector<std::pair<std::string, FenceEvent>> reported_;
};

TEST_F(FencesTest, AFenceIsInTheBlocklistAndOnRecord) {
  ASSERT_TRUE(Fence(Record()).ok());
  EXPECT_NEAR(static_cast<double>(BlocklistedUntil(address(1))),
              static_cast<double>(absl::ToUnixSeconds(now_) + 60), 15);
  FenceRecord expected = Record();
  expected.since_s = absl::ToUnixSeconds(now_);
  expected.until_s = expected.since_s + 60;
  EXPECT_THAT(*fences().List(), ElementsAre(expected));
}

TEST_F(FencesTest, FencingAgainKeepsTheBeginning) {
  ASSERT_TRUE(Fence(Record()).ok());
  const int64_t since_s = absl::ToUnixSeconds(now_);
  now_ += absl::Seconds(100);
  ASSERT_TRUE(Fence(Record()).ok());
  const FenceRecord fence = fences().List()->front();
  EXPECT_EQ(fence.since_s, since_s);
  EXPECT_EQ(fence.until_s, since_s + 160);
}

TEST_F(FencesTest, RadosKeepsTheFencerContract) {
  CheckFencerContract(*pool_->client, address(7), address(8));
}

// Programs one version apart work together, both ways.
TEST_F(FencesTest, WhatANewerVersionHasAddedIsKept) {
  ASSERT_TRUE(Fence(Record()).ok());
  const auto add_to_it = [&] {
    const std::shared_ptr<RadosClient> client = NewClient(RadosClient::Purpose::kControl);
    const auto store = MakeRadosOmapStore(client, *client->OpenPool(kPool, rados_namespace()));
    const std::string key = "f/" + address(1);
    nlohmann::json value = nlohmann::json::parse(**store->Get("berth.fences", key));
    const std::string before = value.dump();
    value["version"] = 2;
    value["reason"] = "of a later version";
    EXPECT_TRUE(store->Update("berth.fences", {{key, before, value.dump()}}).ok());
    return before;
  };
  add_to_it();
  now_ += absl::Seconds(100);
  ASSERT_TRUE(Fence(Record()).ok());
  const nlohmann::json after = nlohmann::json::parse(add_to_it());
  EXPECT_EQ(after.at("version"), 2);
  EXPECT_EQ(after.at("reason"), "of a later version");
  EXPECT_EQ(after.at("until_s"), absl::ToUnixSeconds(now_) + 60);
}

// What the whole rule stands on. Should a newer Ceph lengthen entries, this test says so.
TEST_F(FencesTest, CephDoesNotLengthenAnEntry) {
  ASSERT_TRUE(pool_->client->FenceIfMissing(address(2), seconds(20)).ok());
  const int64_t before = BlocklistedUntil(address(2));
  ASSERT_NE(before, 0);
  ASSERT_TRUE(pool_->client->FenceIfMissing(address(2), seconds(1000)).ok());
  EXPECT_EQ(BlocklistedUntil(address(2)), before);
}

// The lab's user has RBD's profile and nothing else.
TEST_F(FencesTest, AShorterEntryOfSomebodyElseIsNotTakenForTheFence) {
  ASSERT_TRUE(pool_->client->FenceIfMissing(address(4), seconds(60)).ok());
  const Status refused = Fence(Record(address(4)), kFenceDuration);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("osd blocklist"));
}

TEST_F(FencesTest, ARecordWithoutABlocklistEntryBecomesTrue) {
  // As a controller leaves it that dies between the two steps.
  class Dies final : public Fencer {
    Status Fence(const std::string&, seconds) const override {
      return absl::UnavailableError("died");
    }
    Status FenceIfMissing(const std::string& address, seconds duration) const override {
      return Fence(address, duration);
    }
    StatusOr<std::map<std::string, int64_t>> Blocklist() const override {
      return absl::UnavailableError("died");
    }
    Status Lift(const std::string&) const override { return absl::UnavailableError("died"); }
  };
  EXPECT_FALSE(fences().Fence(Dies(), Record(address(3)), now_, seconds(60)).ok());
  ASSERT_EQ(BlocklistedUntil(address(3)), 0);
  ASSERT_TRUE(Uphold().ok());
  EXPECT_NE(BlocklistedUntil(address(3)), 0);
  EXPECT_THAT(reported_, ElementsAre(Pair(address(3), FenceEvent::kBroughtBack)));
}

TEST_F(FencesTest, ANodeThatHasBootedConfirmsThatItsInstancesAreGone) {
  ASSERT_TRUE(Fence(Record()).ok());
  boot_ids_["n1"] = "boot-1";
  ASSERT_TRUE(Uphold().ok());
  EXPECT_THAT(Listed(), ElementsAre(address(1))) << "the same boot";
  boot_ids_["n1"] = "boot-2";
  ASSERT_TRUE(Uphold().ok());
  EXPECT_THAT(Listed(), IsEmpty());
  EXPECT_THAT(reported_, ElementsAre(Pair(address(1), FenceEvent::kGone)));
}

TEST_F(FencesTest, TheFenceOfADeadProcessIsForgottenOnceNoClaimListsIt) {
  const std::string instance = address(5);
  const auto make = []() -> StatusOr<VolumeRecord> {
    VolumeRecord record;
    record.image = "v";
    return record;
  };
  const auto change = [&](auto transition) {
    const auto of_record = [&](VolumeRecord& now) { return transition(now.writer); };
    ASSERT_TRUE(pool_->registry.UpdateOrInsert("v", make, of_record).ok());
  };
  change([](WriterClaim& claim) { return PublishClaim(claim, "n1"); });
  const uint64_t epoch = pool_->registry.Get("v")->writer.epoch;
  change(
      [&](WriterClaim& claim) { return BeginOpenClaim(claim, "n1", epoch, "boot-1", instance); });
  change([](WriterClaim& claim) { return BeginRevokeClaim(claim, "n1"); });
  const auto forget = [&] { return ForgetFenceOfDead(pool_->registry, fences(), "v", instance); };
  EXPECT_FALSE(*forget()) << "it is about to be fenced";
  ASSERT_TRUE(Fence(Record(instance)).ok());
  EXPECT_FALSE(*forget());
  EXPECT_THAT(Listed(), ElementsAre(instance));
  change([&](WriterClaim& claim) { return CompleteRevokeClaim(claim, epoch); });
  EXPECT_TRUE(*forget());
  EXPECT_THAT(Listed(), IsEmpty());
  EXPECT_NE(BlocklistedUntil(instance), 0) << "what it had sent may still be on its way";
  EXPECT_TRUE(*forget()) << "also of a volume that is gone, or was never fenced";
}

TEST_F(FencesTest, WhatWasForgottenMeanwhileDoesNotComeBack) {
  ASSERT_TRUE(Fence(Record()).ok());
  const FenceRecord fence = fences().List()->front();
  ASSERT_TRUE(fences().Remove(fence.instance).ok());
  ASSERT_TRUE(fences().BringBack(*pool_->client, fence, now_, seconds(60)).ok());
  EXPECT_THAT(Listed(), IsEmpty());
  EXPECT_TRUE(fences().Remove(fence.instance).ok());
}

}  // namespace
}  // namespace berth
