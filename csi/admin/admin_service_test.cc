#include "csi/admin/admin_service.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "csi/server.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Property;

// The service over a real socket and a real cluster.
class AdminServiceTest : public CephTest {
 protected:
  AdminServiceTest() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-csi-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    auto server = UnixServer::Start(directory_ + "/csi.sock", {&service_});
    if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
    server_ = std::make_unique<UnixServer>(*std::move(server));
    stub_ = admin::v1::Admin::NewStub(server_->InProcessChannel());
    CreateVolumeOptions options;
    options.request_name = "v";
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = 8 << 20;
    options.owner = {{"pvc/name", "www-web-0"}};
    EXPECT_TRUE(volumes_.Create(options).ok());
  }
  ~AdminServiceTest() override {
    EXPECT_TRUE(fencing_.Unfence(node_).ok());
    server_->Shutdown(absl::Now() + absl::Seconds(10));
    std::filesystem::remove_all(directory_);
  }

  // The volume as the list of all, or of it alone, has it.
  admin::v1::Holder Holder(bool alone = true) {
    grpc::ClientContext context;
    admin::v1::ListHoldersRequest request;
    if (alone) request.set_volume(Handle("v").ToString());
    admin::v1::ListHoldersResponse response;
    const grpc::Status status = stub_->ListHolders(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const admin::v1::Holder& holder : response.holders()) {
      if (holder.volume() == Handle("v").ToString()) return holder;
    }
    return {};
  }
  admin::v1::ListFencesResponse Fences() {
    grpc::ClientContext context;
    admin::v1::ListFencesResponse response;
    EXPECT_TRUE(stub_->ListFences(&context, {}, &response).ok());
    return response;
  }
  grpc::Status Fence(const std::string& node) {
    grpc::ClientContext context;
    admin::v1::FenceNodeRequest request;
    request.set_node(node);
    request.set_reason("test");
    return stub_->FenceNode(&context, request, &fenced_);
  }

  const std::string node_ = "n1-of-" + rados_namespace();
  const std::string instance_ =
      "192.0.2.9:0/" + std::to_string(static_cast<uint32_t>(absl::ToUnixMicros(absl::Now())));
  const RealClock clock_;
  Volumes volumes_{connections(), clock_};
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  NodeFencing fencing_{connections(), nodes_, publishing_, clock_};
  RpcRunner rpcs_;
  Doctor doctor_{{connections(), volumes_, nodes_, clock_, std::chrono::hours(1)}, "0.1.0"};
  AdminService service_{rpcs_, connections(), volumes_, fencing_, doctor_};
  std::string directory_;
  std::unique_ptr<UnixServer> server_;
  std::unique_ptr<admin::v1::Admin::Stub> stub_;
  admin::v1::FenceNodeResponse fenced_;
};

TEST_F(AdminServiceTest, FromHolderToFence) {
  EXPECT_EQ(Holder().state(), "free");
  EXPECT_EQ(Holder(/*alone=*/false).volume(), "") << "nobody holds it";

  const uint64_t epoch = *publishing_.Publish(Handle("v"), node_, AccessMode::kReadWriteOnce, {});
  ASSERT_TRUE(OpenPool()
                  ->registry
                  .Update("v",
                          [&](VolumeRecord& record) {
                            return BeginOpenClaim(record.writer, node_, epoch, "boot", instance_);
                          })
                  .ok());
  const admin::v1::Holder holder = Holder(/*alone=*/false);
  EXPECT_EQ(holder.node(), node_);
  EXPECT_EQ(holder.state(), "opening");
  EXPECT_EQ(holder.access(), "RWO");
  EXPECT_EQ(holder.epoch(), epoch);
  EXPECT_THAT(holder.instances(), Contains(instance_));
  EXPECT_EQ(holder.owner().at("pvc/name"), "www-web-0");

  ASSERT_TRUE(Fence(node_).ok());
  EXPECT_THAT(fenced_.volumes(), Contains(Handle("v").ToString()));
  EXPECT_THAT(fenced_.problems(), IsEmpty());
  EXPECT_EQ(Holder().state(), "free");
  const admin::v1::ListFencesResponse fences = Fences();
  EXPECT_THAT(fences.nodes(), Contains(Property(&admin::v1::NodeFence::node, node_)));
  bool listed = false;
  for (const admin::v1::InstanceFence& fence : fences.instances()) {
    if (fence.instance() != instance_) continue;
    listed = true;
    EXPECT_TRUE(fence.in_force());
    EXPECT_EQ(fence.node(), node_);
    EXPECT_EQ(fence.volume(), Handle("v").ToString());
  }
  EXPECT_TRUE(listed);

  grpc::ClientContext context;
  admin::v1::UnfenceNodeRequest unfence;
  unfence.set_node(node_);
  admin::v1::UnfenceNodeResponse unfenced;
  ASSERT_TRUE(stub_->UnfenceNode(&context, unfence, &unfenced).ok());
  EXPECT_TRUE(publishing_.Publish(Handle("v"), node_, AccessMode::kReadWriteOnce, {}).ok());
}

TEST_F(AdminServiceTest, EveryNodeOfASharedVolumeIsAHolder) {
  for (const char* node : {"n2", "n1"}) {
    ASSERT_TRUE(publishing_.Publish(Handle("v"), node, AccessMode::kReadOnlyMany, {}).ok());
  }
  grpc::ClientContext context;
  admin::v1::ListHoldersRequest request;
  request.set_volume(Handle("v").ToString());
  admin::v1::ListHoldersResponse response;
  ASSERT_TRUE(stub_->ListHolders(&context, request, &response).ok());
  ASSERT_EQ(response.holders_size(), 2);
  EXPECT_EQ(response.holders(0).node(), "n1");
  EXPECT_EQ(response.holders(1).node(), "n2");
  for (const admin::v1::Holder& holder : response.holders()) EXPECT_EQ(holder.access(), "ROX");
}

TEST_F(AdminServiceTest, FindingsTravelWithTheirRemedies) {
  VolumeRecord left;
  left.image = "left";
  left.attempted_s = 1;
  ASSERT_TRUE(OpenPool()->registry.Insert(left).ok());
  grpc::ClientContext examining;
  admin::v1::ExamineResponse found;
  ASSERT_TRUE(stub_->Examine(&examining, {}, &found).ok());
  ASSERT_EQ(found.clusters_size(), 1);
  EXPECT_TRUE(found.clusters(0).connected());
  EXPECT_GT(found.clusters(0).answer_us(), 0);
  EXPECT_EQ(found.clusters(0).monitors_size(), 1);
  EXPECT_GE(found.clusters(0).ceph_versions_size(), 1);
  admin::v1::RepairRequest repair;
  for (const admin::v1::Finding& finding : found.findings()) {
    if (finding.object() != Handle("left").ToString()) continue;
    EXPECT_EQ(finding.kind(), "create-unfinished");
    EXPECT_EQ(finding.severity(), "warning");
    *repair.add_remedies() = finding.remedy();
  }
  ASSERT_EQ(repair.remedies_size(), 1);
  EXPECT_NE(repair.remedies(0).description(), "");
  *repair.add_remedies() = repair.remedies(0);  // there is nothing left to do for it then
  repair.add_remedies()->set_name("of-a-newer-version");
  grpc::ClientContext repairing;
  admin::v1::RepairResponse repaired;
  ASSERT_TRUE(stub_->Repair(&repairing, repair, &repaired).ok());
  ASSERT_EQ(repaired.outcomes_size(), 3);
  EXPECT_EQ(repaired.outcomes(0).outcome(), "done") << repaired.outcomes(0).message();
  EXPECT_EQ(repaired.outcomes(1).outcome(), "skipped") << repaired.outcomes(1).message();
  EXPECT_EQ(repaired.outcomes(2).outcome(), "failed");
  for (const admin::v1::Finding& finding : repaired.after().findings()) {
    EXPECT_NE(finding.object(), Handle("left").ToString());
  }
}

TEST_F(AdminServiceTest, RequestsThatCannotBeMeant) {
  EXPECT_EQ(Fence("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  grpc::ClientContext context;
  admin::v1::ListHoldersRequest request;
  request.set_volume(Handle("none").ToString());
  admin::v1::ListHoldersResponse response;
  EXPECT_EQ(stub_->ListHolders(&context, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace berth
