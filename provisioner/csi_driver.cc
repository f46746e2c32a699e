#include "provisioner/csi_driver.h"

#include <utility>

namespace berth::provisioner {
namespace {

using Rpc = csi::v1::ControllerServiceCapability::RPC;

bool Has(const csi::v1::ControllerGetCapabilitiesResponse& response, Rpc::Type type) {
  for (const auto& capability : response.capabilities()) {
    if (capability.rpc().type() == type) return true;
  }
  return false;
}

bool HasController(const csi::v1::GetPluginCapabilitiesResponse& response) {
  for (const auto& capability : response.capabilities()) {
    if (capability.service().type() == csi::v1::PluginCapability::Service::CONTROLLER_SERVICE) {
      return true;
    }
  }
  return false;
}

}  // namespace

CsiDriver::CsiDriver(const std::shared_ptr<grpc::Channel>& channel, absl::Duration call_timeout)
    : call_timeout_(call_timeout),
      identity_(csi::v1::Identity::NewStub(channel)),
      controller_(csi::v1::Controller::NewStub(channel)) {}

template <typename Stub, typename Request, typename Response>
StatusOr<Response> CsiDriver::Call(Stub& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   const Request& request, bool wait_for_ready) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + call_timeout_));
  context.set_wait_for_ready(wait_for_ready);
  {
    auto calls = calls_.Lock();
    if (calls->refused) return absl::CancelledError("this controller is stopping");
    calls->active.insert(&context);
  }
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  calls_.Lock()->active.erase(&context);
  if (!status.ok()) {
    return Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  return response;
}

Status CsiDriver::Learn() {
  using Identity = csi::v1::Identity::StubInterface;
  using Controller = csi::v1::Controller::StubInterface;
  BERTH_ASSIGN_OR_RETURN(const auto info, Call(*identity_, &Identity::GetPluginInfo,
                                               csi::v1::GetPluginInfoRequest(), true));
  BERTH_ASSIGN_OR_RETURN(const auto plugin, Call(*identity_, &Identity::GetPluginCapabilities,
                                                 csi::v1::GetPluginCapabilitiesRequest()));
  if (!HasController(plugin)) {
    return absl::FailedPreconditionError("CSI driver " + info.name() +
                                         " has no controller service");
  }
  BERTH_ASSIGN_OR_RETURN(const auto rpcs, Call(*controller_, &Controller::ControllerGetCapabilities,
                                               csi::v1::ControllerGetCapabilitiesRequest()));
  name_ = info.name();
  capabilities_.create_delete_volume = Has(rpcs, Rpc::CREATE_DELETE_VOLUME);
  capabilities_.publish_unpublish_volume = Has(rpcs, Rpc::PUBLISH_UNPUBLISH_VOLUME);
  capabilities_.publish_readonly = Has(rpcs, Rpc::PUBLISH_READONLY);
  capabilities_.single_node_multi_writer = Has(rpcs, Rpc::SINGLE_NODE_MULTI_WRITER);
  return absl::OkStatus();
}

StatusOr<csi::v1::CreateVolumeResponse> CsiDriver::CreateVolume(
    const csi::v1::CreateVolumeRequest& request) {
  return Call(*controller_, &csi::v1::Controller::StubInterface::CreateVolume, request);
}

Status CsiDriver::DeleteVolume(const csi::v1::DeleteVolumeRequest& request) {
  return Call(*controller_, &csi::v1::Controller::StubInterface::DeleteVolume, request).status();
}

StatusOr<csi::v1::ControllerPublishVolumeResponse> CsiDriver::Publish(
    const csi::v1::ControllerPublishVolumeRequest& request) {
  return Call(*controller_, &csi::v1::Controller::StubInterface::ControllerPublishVolume, request);
}

Status CsiDriver::Unpublish(const csi::v1::ControllerUnpublishVolumeRequest& request) {
  return Call(*controller_, &csi::v1::Controller::StubInterface::ControllerUnpublishVolume, request)
      .status();
}

void CsiDriver::CancelCalls() {
  auto calls = calls_.Lock();
  calls->refused = true;
  for (grpc::ClientContext* context : calls->active) context->TryCancel();
}

void CsiDriver::Resume() { calls_.Lock()->refused = false; }

}  // namespace berth::provisioner
