#include "kube/lease.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

ObservedLease HeldBy(const std::string& holder) {
  ObservedLease observed;
  observed.since = kStart;
  observed.lease.mutable_spec()->set_holderidentity(holder);
  observed.lease.mutable_spec()->set_leasedurationseconds(4);
  observed.lease.mutable_spec()->set_leasetransitions(7);
  return observed;
}

TEST(LeaseTest, AFreeLeaseIsTakenAndOnesOwnIsRenewed) {
  EXPECT_EQ(DecideLease(HeldBy(""), "me", kStart), LeaseMove::kAcquire);
  EXPECT_EQ(DecideLease(HeldBy("me"), "me", kStart + absl::Hours(1)), LeaseMove::kRenew);
}

TEST(LeaseTest, AnothersLeaseIsTakenOnlyAfterItsWholeDurationWithoutRenewal) {
  EXPECT_EQ(DecideLease(HeldBy("other"), "me", kStart + absl::Seconds(4)), LeaseMove::kWait);
  EXPECT_EQ(DecideLease(HeldBy("other"), "me", kStart + absl::Milliseconds(4001)),
            LeaseMove::kAcquire);
}

TEST(LeaseTest, TransitionsAreCountedForANewHolderOnly) {
  const coordination::Lease seen = HeldBy("other").lease;
  const coordination::Lease acquired =
      WriteLease(seen, LeaseMove::kAcquire, "me", absl::Seconds(4), kStart);
  EXPECT_EQ(acquired.spec().leasetransitions(), 8);
  EXPECT_EQ(acquired.spec().holderidentity(), "me");
  EXPECT_EQ(WriteLease(acquired, LeaseMove::kRenew, "me", absl::Seconds(4), kStart)
                .spec()
                .leasetransitions(),
            8);
}

TEST(LeaseTest, DurationsThatCannotWorkAreRefused) {
  LeaderElector::Options options{.ns = "n", .name = "l", .identity = "i"};
  EXPECT_TRUE(LeaderElector::Check(options).ok());
  options.renew_deadline = options.lease_duration;
  EXPECT_FALSE(LeaderElector::Check(options).ok());
}

}  // namespace
}  // namespace berth::kube
