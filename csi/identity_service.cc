#include "csi/identity_service.h"

#include <utility>

namespace berth {

IdentityService::IdentityService(RpcRunner& rpcs, std::string version,
                                 std::function<Status()> ready)
    : rpcs_(rpcs), version_(std::move(version)), ready_(std::move(ready)) {}

grpc::ServerUnaryReactor* IdentityService::GetPluginInfo(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginInfoRequest* request,
    csi::v1::GetPluginInfoResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "GetPluginInfo",
                      .kind = RpcKind::kQuery,
                      .body = [this](const auto&, auto& reply, absl::Time) {
                        reply.set_name(kDriverName);
                        reply.set_vendor_version(version_);
                        return absl::OkStatus();
                      }});
}

grpc::ServerUnaryReactor* IdentityService::GetPluginCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::GetPluginCapabilitiesRequest* request,
    csi::v1::GetPluginCapabilitiesResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "GetPluginCapabilities",
                      .kind = RpcKind::kQuery,
                      .body = [](const auto&, auto& reply, absl::Time) {
                        reply.add_capabilities()->mutable_service()->set_type(
                            csi::v1::PluginCapability::Service::CONTROLLER_SERVICE);
                        return absl::OkStatus();
                      }});
}

grpc::ServerUnaryReactor* IdentityService::Probe(grpc::CallbackServerContext* context,
                                                 const csi::v1::ProbeRequest* request,
                                                 csi::v1::ProbeResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "Probe",
                      .kind = RpcKind::kQuery,
                      .body = [this](const auto&, auto& reply, absl::Time) -> Status {
                        const Status ready = ready_();
                        if (!ready.ok()) return absl::FailedPreconditionError(ready.message());
                        reply.mutable_ready()->set_value(true);
                        return absl::OkStatus();
                      }});
}

}  // namespace berth
