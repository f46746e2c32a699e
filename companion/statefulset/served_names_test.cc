#include "companion/statefulset/served_names.h"

#include <gtest/gtest.h>

#include <atomic>

#include "companion/dns/testing/upstream.h"

namespace berth::statefulset {
namespace {

// A DNS replica that learns of web-0 when it is told.
class Replica {
 public:
  void Learn() { knows_ = true; }
  int asked() const { return asked_; }
  DnsReplica where() const { return {"127.0.0.1", server_.address().port}; }

 private:
  std::atomic<bool> knows_ = false;
  std::atomic<int> asked_ = 0;
  dns::TestUpstream server_{[this](const std::string& query, bool) {
    ++asked_;
    if (!knows_) return dns::MakeUpstreamAnswer(query, {}, 3);
    return dns::MakeUpstreamAnswer(query,
                                   {"web-0.nginx.default.svc.cluster.local. 5 IN A 10.1.0.7"});
  }};
};

class ServedNamesTest : public ::testing::Test {
 protected:
  ServedNamesTest() {
    set_.key = {"default", "web"};
    set_.service_name = "nginx";
    pod_.name = "web-0";
    pod_.uid = "of its first life";
    pod_.addresses = {"10.1.0.7"};
  }

  StatefulSet set_;
  ObservedPod pod_;
  Replica quick_;
  Replica slow_;
  StatusOr<std::vector<DnsReplica>> replicas_ = std::vector{quick_.where(), slow_.where()};
  ServedNames names_{{.replicas = [this] { return replicas_; }, .cluster_domain = "cluster.local"}};
};

TEST_F(ServedNamesTest, TheReplicaThatLagsIsWaitedFor) {
  EXPECT_FALSE(names_.IsServed(set_, pod_));
  quick_.Learn();
  EXPECT_FALSE(names_.IsServed(set_, pod_));
  slow_.Learn();
  EXPECT_TRUE(names_.IsServed(set_, pod_));
}

TEST_F(ServedNamesTest, AnAddressOfAnEarlierLifeIsNotEnough) {
  quick_.Learn();
  slow_.Learn();
  pod_.addresses = {"10.1.0.8"};
  EXPECT_FALSE(names_.IsServed(set_, pod_));
}

TEST_F(ServedNamesTest, APodWhoseTurnIsOverIsNotAskedForAgain) {
  quick_.Learn();
  slow_.Learn();
  ASSERT_TRUE(names_.IsServed(set_, pod_));
  const int asked = quick_.asked();
  EXPECT_TRUE(names_.IsServed(set_, pod_));
  EXPECT_EQ(quick_.asked(), asked);
  pod_.uid = "of its second life";
  EXPECT_TRUE(names_.IsServed(set_, pod_));
  EXPECT_GT(quick_.asked(), asked);
}

TEST_F(ServedNamesTest, WithoutReplicasNothingIsServed) {
  replicas_ = std::vector<DnsReplica>();
  EXPECT_FALSE(names_.IsServed(set_, pod_));
  replicas_ = absl::UnavailableError("no API server");
  EXPECT_FALSE(names_.IsServed(set_, pod_));
}

}  // namespace
}  // namespace berth::statefulset
