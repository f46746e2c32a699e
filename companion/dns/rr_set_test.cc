#include "companion/dns/rr_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace berth::dns {
namespace {

// Records of one and of several lengths, each carried up to three times: after any change the set
// holds what a plain map of counts does, in order.
TEST(RrSetTest, RandomChangesAgreeWithAMapOfCounts) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::minstd_rand random(seed);
  for (const size_t longest : {4, 9}) {
    RrSet set(type::kA);
    std::map<std::string, int> expected;
    for (int step = 0; step < 500; ++step) {
      std::map<std::string, int> deltas;
      for (size_t i = random() % 5; i > 0; --i) {
        const std::string rdata(longest == 4 ? 4 : 4 + random() % 6,
                                static_cast<char>('a' + random() % 20));
        deltas[rdata] += random() % 2 == 0 ? 1 : -1;
      }
      std::vector<RrSet::Change> changes;
      for (const auto& [rdata, delta] : deltas) {
        changes.push_back({rdata, delta});
        const int count = std::max(0, expected[rdata] + delta);
        expected[rdata] = count;
        if (count == 0) expected.erase(rdata);
      }
      set = set.With(changes);
      ASSERT_EQ(set.size(), expected.size());
      size_t i = 0;
      for (const auto& [rdata, count] : expected) {
        ASSERT_EQ(set.Rdata(i), rdata) << "step " << step;
        ASSERT_EQ(set.Begin(i + 1) - set.Begin(i), RrSet::kHeaderBytes + rdata.size());
        ++i;
      }
      ASSERT_EQ(set.Begin(set.size()), set.bytes().size());
    }
  }
}

}  // namespace
}  // namespace berth::dns
