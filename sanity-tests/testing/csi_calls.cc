#include "sanity-tests/testing/csi_calls.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <system_error>

#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "csi/request_checks.h"

namespace berth {
namespace {

// Programs come and go here, so a channel tries again at once.
std::shared_ptr<grpc::Channel> Connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

class CallContext : public grpc::ClientContext {
 public:
  explicit CallContext(absl::Duration timeout) {
    set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
};

void FillCapability(const TestVolume& volume, csi::v1::VolumeCapability& capability) {
  capability.mutable_access_mode()->set_mode(
      csi::v1::VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  if (volume.block) {
    capability.mutable_block();
  } else {
    capability.mutable_mount()->set_fs_type("ext4");
  }
}

}  // namespace

ControllerCalls::ControllerCalls(const std::string& socket)
    : channel_(Connect(socket)), stub_(csi::v1::Controller::NewStub(channel_)) {}

bool ControllerCalls::WaitUntilServed(absl::Time deadline) const {
  return channel_->WaitForConnected(absl::ToChronoTime(deadline));
}

StatusOr<std::string> ControllerCalls::Create(const std::string& name, uint64_t bytes,
                                              absl::Duration timeout,
                                              const std::string& rados_namespace) {
  CallContext context(timeout);
  csi::v1::CreateVolumeRequest request;
  csi::v1::CreateVolumeResponse response;
  request.set_name(name);
  request.mutable_capacity_range()->set_required_bytes(static_cast<int64_t>(bytes));
  (*request.mutable_parameters())["pool"] = "rbd";
  if (!rados_namespace.empty()) {
    (*request.mutable_parameters())["radosNamespace"] = rados_namespace;
  }
  FillCapability({.id = "", .name = "", .block = true}, *request.add_volume_capabilities());
  BERTH_RETURN_IF_ERROR(FromGrpc(stub_->CreateVolume(&context, request, &response)));
  return response.volume().volume_id();
}

Status ControllerCalls::Delete(const std::string& volume_id, absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::DeleteVolumeRequest request;
  csi::v1::DeleteVolumeResponse response;
  request.set_volume_id(volume_id);
  return FromGrpc(stub_->DeleteVolume(&context, request, &response));
}

StatusOr<uint64_t> ControllerCalls::Publish(const TestVolume& volume, const std::string& node,
                                            absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::ControllerPublishVolumeRequest request;
  csi::v1::ControllerPublishVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_node_id(node);
  FillCapability(volume, *request.mutable_volume_capability());
  BERTH_RETURN_IF_ERROR(FromGrpc(stub_->ControllerPublishVolume(&context, request, &response)));
  return EpochFromPublishContext(response.publish_context());
}

Status ControllerCalls::Unpublish(const TestVolume& volume, const std::string& node,
                                  absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::ControllerUnpublishVolumeRequest request;
  csi::v1::ControllerUnpublishVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_node_id(node);
  return FromGrpc(stub_->ControllerUnpublishVolume(&context, request, &response));
}

NodeCalls::NodeCalls(const std::string& socket, std::string directory)
    : channel_(Connect(socket)),
      stub_(csi::v1::Node::NewStub(channel_)),
      directory_(std::move(directory)) {}

bool NodeCalls::WaitUntilServed(absl::Time deadline) const {
  return channel_->WaitForConnected(absl::ToChronoTime(deadline));
}

std::string NodeCalls::StagingPath(const TestVolume& volume) const {
  return fmt::format("{}/{}.staging", directory_, volume.name);
}

std::string NodeCalls::TargetPath(const TestVolume& volume) const {
  return fmt::format("{}/{}.target", directory_, volume.name);
}

Status NodeCalls::Stage(const TestVolume& volume, uint64_t epoch, absl::Duration timeout) {
  std::error_code error;
  std::filesystem::create_directories(StagingPath(volume), error);
  CallContext context(timeout);
  csi::v1::NodeStageVolumeRequest request;
  csi::v1::NodeStageVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_staging_target_path(StagingPath(volume));
  (*request.mutable_publish_context())[kEpochKey] = std::to_string(epoch);
  FillCapability(volume, *request.mutable_volume_capability());
  return FromGrpc(stub_->NodeStageVolume(&context, request, &response));
}

Status NodeCalls::Publish(const TestVolume& volume, uint64_t epoch, absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::NodePublishVolumeRequest request;
  csi::v1::NodePublishVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_staging_target_path(StagingPath(volume));
  request.set_target_path(TargetPath(volume));
  (*request.mutable_publish_context())[kEpochKey] = std::to_string(epoch);
  FillCapability(volume, *request.mutable_volume_capability());
  return FromGrpc(stub_->NodePublishVolume(&context, request, &response));
}

Status NodeCalls::Unpublish(const TestVolume& volume, absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::NodeUnpublishVolumeRequest request;
  csi::v1::NodeUnpublishVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_target_path(TargetPath(volume));
  return FromGrpc(stub_->NodeUnpublishVolume(&context, request, &response));
}

Status NodeCalls::Unstage(const TestVolume& volume, absl::Duration timeout) {
  CallContext context(timeout);
  csi::v1::NodeUnstageVolumeRequest request;
  csi::v1::NodeUnstageVolumeResponse response;
  request.set_volume_id(volume.id);
  request.set_staging_target_path(StagingPath(volume));
  return FromGrpc(stub_->NodeUnstageVolume(&context, request, &response));
}

}  // namespace berth
