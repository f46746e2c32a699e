#include "csi/node/node_service.h"

#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "csi/node/testing/node_fixture.h"
#include "csi/request_checks.h"

namespace berth {
namespace {

using ::csi::v1::VolumeCapability;
using ::csi::v1::VolumeUsage;
using ::testing::HasSubstr;

// The service as a CO sees it.
class NodeServiceTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    service_ = std::make_unique<NodeService>(rpcs_, node_, *records_, *attacher_, formatting_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = csi::v1::Node::NewStub(server_->InProcessChannel({}));
  }
  void TearDown() override {
    server_->Shutdown();
    NodeTest::TearDown();
  }

  static VolumeCapability MountCapability() {
    VolumeCapability capability;
    capability.mutable_mount();
    capability.mutable_access_mode()->set_mode(
        VolumeCapability::AccessMode::SINGLE_NODE_SINGLE_WRITER);
    return capability;
  }
  static VolumeCapability BlockCapability() {
    VolumeCapability capability = MountCapability();
    capability.mutable_block();
    return capability;
  }
  csi::v1::NodeStageVolumeRequest StageMessage(const VolumeCapability& capability) const {
    csi::v1::NodeStageVolumeRequest request;
    request.set_volume_id("lab/rbd/v1");
    request.set_staging_target_path(staging_path_);
    *request.mutable_volume_capability() = capability;
    (*request.mutable_publish_context())["berth.storage/epoch"] = "1";
    return request;
  }
  grpc::Status Call(const csi::v1::NodeStageVolumeRequest& request) {
    grpc::ClientContext context;
    csi::v1::NodeStageVolumeResponse response;
    return stub_->NodeStageVolume(&context, request, &response);
  }
  grpc::Status CallPublish(const VolumeCapability& capability, const std::string& staging_path) {
    csi::v1::NodePublishVolumeRequest request;
    request.set_volume_id("lab/rbd/v1");
    request.set_staging_target_path(staging_path);
    request.set_target_path(target_);
    *request.mutable_volume_capability() = capability;
    grpc::ClientContext context;
    csi::v1::NodePublishVolumeResponse response;
    return stub_->NodePublishVolume(&context, request, &response);
  }
  grpc::Status CallStats(const std::string& path, csi::v1::NodeGetVolumeStatsResponse& response) {
    csi::v1::NodeGetVolumeStatsRequest request;
    request.set_volume_id("lab/rbd/v1");
    request.set_volume_path(path);
    grpc::ClientContext context;
    return stub_->NodeGetVolumeStats(&context, request, &response);
  }

  RpcRunner rpcs_;
  std::unique_ptr<NodeService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<csi::v1::Node::Stub> stub_;
};

TEST_F(NodeServiceTest, AStageWithoutEpochSaysWhereItComesFrom) {
  csi::v1::NodeStageVolumeRequest request = StageMessage(MountCapability());
  request.clear_publish_context();
  const grpc::Status status = Call(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("ControllerPublishVolume"));
}

TEST_F(NodeServiceTest, HalfASecretIsRefusedWithoutItsValue) {
  csi::v1::NodeStageVolumeRequest request = StageMessage(MountCapability());
  (*request.mutable_secrets())["userKey"] = "AQ-very-secret";
  const grpc::Status status = Call(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("userID"));
  EXPECT_THAT(status.error_message(), testing::Not(HasSubstr("AQ-")));
}

TEST_F(NodeServiceTest, APublishWithoutStagingPathIsAFailedPrecondition) {
  EXPECT_EQ(CallPublish(MountCapability(), "").error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(NodeServiceTest, StatsOfAFileSystemAreBytesAndInodes) {
  ASSERT_TRUE(Call(StageMessage(MountCapability())).ok());
  ASSERT_TRUE(CallPublish(MountCapability(), staging_path_).ok());
  csi::v1::NodeGetVolumeStatsResponse stats;
  ASSERT_TRUE(CallStats(target_, stats).ok());
  ASSERT_EQ(stats.usage_size(), 2);
  EXPECT_EQ(stats.usage(0).unit(), VolumeUsage::BYTES);
  EXPECT_EQ(stats.usage(1).unit(), VolumeUsage::INODES);
  EXPECT_GT(stats.usage(0).total(), 10 << 20);
  EXPECT_LE(stats.usage(0).total(), 16 << 20);
  const int64_t used_before = stats.usage(0).used();
  const int64_t inodes_before = stats.usage(1).used();
  Write(target_ + "/data", std::string(1 << 20, 'x'));
  csi::v1::NodeGetVolumeStatsResponse after;
  ASSERT_TRUE(CallStats(target_, after).ok());
  EXPECT_EQ(after.usage(1).used(), inodes_before + 1);
  EXPECT_GE(after.usage(0).used(), used_before);
  EXPECT_EQ(CallStats(directory_, after).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(CallStats("/nonexistent", after).error_code(), grpc::StatusCode::NOT_FOUND);
  const std::string long_path = "/" + std::string(kMaxStringBytes, 'x');
  EXPECT_EQ(CallStats(long_path, after).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(NodeServiceTest, StatsOfARawBlockVolumeAreItsSize) {
  ASSERT_TRUE(Call(StageMessage(BlockCapability())).ok());
  ASSERT_TRUE(CallPublish(BlockCapability(), staging_path_).ok());
  csi::v1::NodeGetVolumeStatsResponse stats;
  ASSERT_TRUE(CallStats(target_, stats).ok());
  ASSERT_EQ(stats.usage_size(), 1);
  EXPECT_EQ(stats.usage(0).total(), 16 << 20);
}

}  // namespace
}  // namespace berth
