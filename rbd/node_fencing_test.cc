#include "rbd/node_fencing.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "rbd/holders.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volumes.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class NodeFencingTest : public CephTest {
 protected:
  NodeFencingTest() {
    for (const char* name : {"v1", "v2", "v3"}) {
      CreateVolumeOptions options;
      options.request_name = name;
      options.cluster = kCluster;
      options.pool = kPool;
      options.rados_namespace = rados_namespace();
      options.size_bytes = 8 << 20;
      EXPECT_TRUE(volumes_.Create(options).ok());
    }
  }
  ~NodeFencingTest() override { EXPECT_TRUE(fencing_.Unfence(node_).ok()); }

  // Entries outlive a test, so each has addresses of its own, which nobody has (RFC 5737).
  std::string address(int number) const {
    return "192.0.2.8:0/" + std::to_string(nonce_ + static_cast<uint32_t>(number));
  }
  // Of this test's namespace: the lab's cluster is shared.
  NodeFencing::Report Collect() {
    taken_.clear();
    return [this](const VolumeHandle& volume, const Status& status) {
      if (volume.rados_namespace == rados_namespace()) taken_.emplace(volume.image, status.code());
    };
  }
  Status Open(const std::string& image, uint64_t epoch, const std::string& instance) {
    return OpenPool()
        ->registry
        .Update(image,
                [&](VolumeRecord& record) {
                  return BeginOpenClaim(record.writer, node_, epoch, "boot-1", instance);
                })
        .status();
  }
  std::vector<std::string> FencedNodes() {
    std::vector<std::string> nodes;
    fencing_.List(
        [&](const std::string&, const NodeFence& fence) { nodes.push_back(fence.node_id); },
        [](const std::string& cluster, const Status& status) {
          ADD_FAILURE() << cluster << ": " << status;
        });
    return nodes;
  }

  const uint32_t nonce_ = std::random_device()();
  const std::string node_ = "n1-of-" + rados_namespace();
  const RealClock clock_;
  Volumes volumes_{connections(), clock_};
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  NodeFencing fencing_{connections(), nodes_, publishing_, clock_};
  std::map<std::string, StatusCode> taken_;
};

TEST_F(NodeFencingTest, EveryVolumeOfTheNodeIsTakenAndNoneGiven) {
  const uint64_t epoch = *publishing_.Publish(Handle("v1"), node_, AccessMode::kReadWriteOnce, {});
  ASSERT_TRUE(Open("v1", epoch, address(1)).ok());
  ASSERT_TRUE(publishing_.Publish(Handle("v2"), node_, AccessMode::kReadWriteOnce, {}).ok());
  ASSERT_TRUE(publishing_.Publish(Handle("v3"), "another", AccessMode::kReadWriteOnce, {}).ok());

  ASSERT_TRUE(fencing_.Fence(node_, "its power supply burns", Collect()).ok());
  EXPECT_THAT(taken_,
              UnorderedElementsAre(Pair("v1", StatusCode::kOk), Pair("v2", StatusCode::kOk)));
  EXPECT_TRUE(OpenPool()->client->Blocklist()->contains(address(1)));
  EXPECT_EQ(OpenPool()->registry.Get("v3")->writer.node, "another");
  EXPECT_THAT(FencedNodes(), ::testing::Contains(node_));
  EXPECT_EQ(Open("v1", epoch, address(2)).code(), StatusCode::kFailedPrecondition);

  const Status refused =
      publishing_.Publish(Handle("v1"), node_, AccessMode::kReadWriteOnce, {}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("its power supply burns"));
  EXPECT_EQ(OpenPool()->registry.Get("v1")->writer.state, ClaimState::kFree);
  EXPECT_TRUE(publishing_.Publish(Handle("v1"), "another", AccessMode::kReadWriteOnce, {}).ok());

  ASSERT_TRUE(fencing_.Unfence(node_).ok());
  EXPECT_THAT(FencedNodes(), ::testing::Not(::testing::Contains(node_)));
  EXPECT_TRUE(publishing_.Publish(Handle("v2"), node_, AccessMode::kReadWriteOnce, {}).ok());
}

TEST_F(NodeFencingTest, FencingTwiceKeepsTheFirstReason) {
  ASSERT_TRUE(fencing_.Fence(node_, "first", Collect()).ok());
  ASSERT_TRUE(fencing_.Fence(node_, "second", Collect()).ok());
  EXPECT_THAT(taken_, IsEmpty());
  EXPECT_EQ((*nodes_.FindFence(Handle("v1"), node_, {}))->reason, "first");
  EXPECT_EQ(fencing_.Fence("", "nobody", Collect()).code(), StatusCode::kInvalidArgument);
}

TEST_F(NodeFencingTest, HoldersAndFencesAreListed) {
  const uint64_t epoch = *publishing_.Publish(Handle("v1"), node_, AccessMode::kReadWriteOnce, {});
  ASSERT_TRUE(Open("v1", epoch, address(3)).ok());
  const auto no_problem = [](const std::string& subject, const Status& status) {
    ADD_FAILURE() << subject << ": " << status;
  };
  std::vector<std::string> held;
  const auto list_holders = [&] {
    held.clear();
    ForEachHolder(
        connections(),
        [&](const VolumeHandle& volume, const VolumeRecord& record) {
          if (volume.rados_namespace == rados_namespace()) {
            held.push_back(volume.image + " " + record.writer.node);
          }
        },
        no_problem);
  };
  list_holders();
  EXPECT_THAT(held, ElementsAre("v1 " + node_));

  ASSERT_TRUE(publishing_.Unpublish(Handle("v1"), node_, {}).ok());
  list_holders();
  EXPECT_THAT(held, IsEmpty());
  std::vector<std::string> fenced;
  ForEachFence(
      connections(),
      [&](const VolumeHandle& volume, const FenceRecord& fence, bool in_force) {
        if (volume.rados_namespace == rados_namespace() && in_force) {
          fenced.push_back(volume.image + " " + fence.instance);
        }
      },
      no_problem);
  EXPECT_THAT(fenced, ElementsAre("v1 " + address(3)));
}

}  // namespace
}  // namespace berth
