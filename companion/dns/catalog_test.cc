// Endpoints that move between slices: a name that exists is never missing.
#include "companion/dns/catalog.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "companion/dns/testing/responder_fixture.h"

namespace berth::dns {
namespace {

class CatalogTest : public ResponderTest {
 protected:
  CatalogTest() { writer_.Set(MakeHeadless("db")); }

  bool Exists(const std::string& host) {
    return Ask(host + ".db.default.svc.cluster.local", type::kA).rcode == 0;
  }
  size_t Addresses(const std::string& name) {
    return Ask(name + ".default.svc.cluster.local", type::kA).answers.size();
  }
  const absl::Time start_ = absl::FromUnixSeconds(1000);
};

TEST_F(CatalogTest, AnEndpointInTwoSlicesIsThereOnceAndUntilBothAreGone) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}}));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.1", "db-0"}}));
  EXPECT_EQ(Addresses("db"), 1u);
  EXPECT_FALSE(writer_.RemoveSlice("one", start_)) << "nothing to linger: the other carries it";
  EXPECT_EQ(Addresses("db"), 1u);
  writer_.RemoveSlice("two", start_);
  catalog_.Expire(start_ + Catalog::kLinger);
  EXPECT_FALSE(Exists("db-0"));
}

TEST_F(CatalogTest, ASliceThatGoesIsConfirmedByASecond) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}}));
  EXPECT_TRUE(writer_.RemoveSlice("one", start_));
  EXPECT_EQ(catalog_.Expire(start_ + absl::Milliseconds(999)), start_ + absl::Seconds(1));
  EXPECT_TRUE(Exists("db-0"));
  EXPECT_EQ(catalog_.Expire(start_ + absl::Seconds(1)), absl::InfiniteFuture());
  EXPECT_FALSE(Exists("db-0"));
}

TEST_F(CatalogTest, AnEndpointThatMovesByTwoUpdatesIsAlwaysThere) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}, {"10.0.0.2", "db-1"}}));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.3", "db-2"}}));
  EXPECT_TRUE(writer_.Set(MakeSlice("one", "db", {{"10.0.0.2", "db-1"}}), start_));
  EXPECT_TRUE(Exists("db-0"));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.3", "db-2"}, {"10.0.0.1", "db-0"}}), start_);
  catalog_.Expire(start_ + absl::Hours(1));
  EXPECT_TRUE(Exists("db-0"));
  EXPECT_EQ(Addresses("db"), 3u);
}

TEST_F(CatalogTest, WhatASliceSaysOfALingeringAddressCounts) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}}));
  writer_.RemoveSlice("one", start_);
  EXPECT_TRUE(Exists("db-0"));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.1", "db-0", false}}), start_);
  EXPECT_FALSE(Exists("db-0")) << "it is known not to be ready";
}

TEST_F(CatalogTest, ANewAddressOfAHostnameReplacesTheOldOneAtOnce) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}}));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.2", "db-1"}}));
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.9", "db-0"}}), start_);
  const ParsedAnswer answer = Ask("db-0.db.default.svc.cluster.local", type::kA);
  EXPECT_THAT(answer.answers,
              ::testing::ElementsAre("db-0.db.default.svc.cluster.local. 5 IN A 10.0.0.9"));
  EXPECT_EQ(Addresses("db"), 2u);
}

TEST_F(CatalogTest, AnEndpointThatIsNotReadyOrTheOnlySlicesGoesAtOnce) {
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}, {"10.0.0.2", "db-1"}}));
  EXPECT_FALSE(writer_.Set(MakeSlice("one", "db", {{"10.0.0.2", "db-1"}}), start_));
  EXPECT_FALSE(Exists("db-0"));
  writer_.Set(MakeSlice("two", "db", {{"10.0.0.3", "db-2"}}));
  EXPECT_FALSE(writer_.Set(MakeSlice("one", "db", {{"10.0.0.2", "db-1", false}}), start_));
  EXPECT_FALSE(Exists("db-1"));
}

TEST_F(CatalogTest, ASliceThatChangesItsServiceMovesItsNames) {
  writer_.Set(MakeHeadless("other"));
  writer_.Set(MakeSlice("one", "db", {{"10.0.0.1", "db-0"}}));
  writer_.Set(MakeSlice("one", "other", {{"10.0.0.1", "db-0"}}), start_);
  catalog_.Expire(start_ + absl::Seconds(1));
  EXPECT_FALSE(Exists("db-0"));
  EXPECT_EQ(Addresses("db-0.other"), 1u);
}

// Random endpoints in random slices, in random order: in the end the zone is what a catalog that
// saw only the last state makes of it, and an endpoint that some slice carried all the time was
// never gone.
TEST_F(CatalogTest, AnyOrderOfChangesEndsInTheSameZone) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::minstd_rand random(seed);
  const auto slice_name = [](size_t i) { return "slice-" + std::to_string(i); };
  std::map<std::string, kube::discovery::EndpointSlice> last;
  absl::Time now = start_;
  for (size_t step = 0; step < 500; ++step) {
    const std::string name = slice_name(random() % 5);
    now += absl::Milliseconds(random() % 400);
    if (random() % 6 == 0) {
      if (last.erase(name) > 0) writer_.RemoveSlice(name, now);
    } else {
      std::vector<EndpointSpec> endpoints;
      for (size_t i = random() % 4; i > 0; --i) {
        const std::string id = std::to_string(random() % 8);
        endpoints.push_back({"10.0.0." + id, "db-" + id, random() % 4 != 0});
      }
      last[name] = MakeSlice(name, "db", endpoints, {{"sql", "TCP", 5432}});
      writer_.Set(last[name], now);
    }
    if (random() % 10 == 0) catalog_.Expire(now);
    for (const auto& [other, slice] : last) {
      for (const auto& endpoint : slice.endpoints()) {
        if (endpoint.conditions().ready()) {
          ASSERT_TRUE(Exists(endpoint.hostname())) << "step " << step;
        }
      }
    }
  }
  catalog_.Expire(now + absl::Seconds(1));
  std::set<std::string> ready;
  for (const auto& [name, slice] : last) {
    for (const auto& endpoint : slice.endpoints()) {
      if (endpoint.conditions().ready()) ready.insert(endpoint.hostname());
    }
  }
  for (int id = 0; id < 8; ++id) {
    const std::string host = "db-" + std::to_string(id);
    EXPECT_EQ(Exists(host), ready.contains(host)) << host;
  }
  EXPECT_EQ(Addresses("db"), ready.size());
  for (size_t i = 0; i < 5; ++i) {
    if (last.contains(slice_name(i))) writer_.RemoveSlice(slice_name(i), now);
  }
  catalog_.Expire(now + absl::Seconds(1));
  writer_.RemoveService("db");
  EXPECT_EQ(zone_.names(), 4u) << "local, cluster.local, dns-version.cluster.local and the root";
}

}  // namespace
}  // namespace berth::dns
