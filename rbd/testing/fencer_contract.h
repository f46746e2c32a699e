#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <string>

#include "rbd/fencer.h"

namespace berth {

// What every Fencer must keep whose user has no more caps than RBD's own profile gives; called by
// the test of each implementation with addresses that nobody has.
inline void CheckFencerContract(const Fencer& fencer, const std::string& one,
                                const std::string& other) {
  ASSERT_TRUE(fencer.Fence(one, std::chrono::hours(2)).ok());
  ASSERT_TRUE(fencer.Blocklist()->contains(one));
  EXPECT_TRUE(fencer.Fence(one, std::chrono::hours(2)).ok()) << "it may be repeated";

  EXPECT_FALSE(fencer.Blocklist()->contains(other));
  ASSERT_TRUE(fencer.FenceIfMissing(other, std::chrono::hours(2)).ok());
  const int64_t until = fencer.Blocklist()->at(other);
  ASSERT_TRUE(fencer.FenceIfMissing(other, std::chrono::hours(200)).ok());
  EXPECT_EQ(fencer.Blocklist()->at(other), until) << "Ceph does not lengthen an entry";
  EXPECT_TRUE(absl::IsFailedPrecondition(fencer.Fence(other, kFenceDuration)))
      << "a shorter entry is not taken for the fence";
  EXPECT_TRUE(absl::IsPermissionDenied(fencer.Lift(other)));
}

}  // namespace berth
