#include "rbd/nodes.h"

#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

class NodesTest : public CephTest {};

TEST_F(NodesTest, RegistersInThePoolsForRbdAndIsFoundThere) {
  const FakeClock clock(absl::FromUnixSeconds(1000));
  Nodes nodes(connections(), clock);
  const std::string id = "node-of-" + rados_namespace();
  EXPECT_EQ(nodes.Find(Handle("x"), id, {}).status().code(), absl::StatusCode::kNotFound);
  for (const char* boot : {"boot-1", "boot-2"}) {
    nodes.Register({id, boot, "0.1.0"}, [](const std::string& alias, const Status& status) {
      ADD_FAILURE() << alias << ": " << status;
    });
    const StatusOr<NodeRecord> found = nodes.Find(Handle("x"), id, {});
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->boot_id, boot);
    EXPECT_EQ(found->seen_s, 1000);
  }
  // The nodes object is the pool's, not this test's namespace's.
  const IoContext io = *OpenPool()->client->OpenPool(kPool, "");
  const std::string key = "n/" + id;
  const char* name = key.data();
  const size_t size = key.size();
  rados_write_op_t remove = rados_create_write_op();
  rados_write_op_omap_rm_keys2(remove, &name, &size, 1);
  rados_write_op_operate2(remove, io.get(), "berth.nodes", nullptr, 0);
  rados_release_write_op(remove);
}

TEST_F(NodesTest, ClusterThatIsDownIsReported) {
  const RealClock clock;
  Connections nowhere(ClusterDirectory("/nonexistent"), std::chrono::seconds(1));
  int reports = 0;
  Nodes(nowhere, clock).Register({"n", "b", "v"}, [&](const std::string&, const Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    ++reports;
  });
  EXPECT_EQ(reports, 1);
}

}  // namespace
}  // namespace berth
