#include "csi/registration/kubelet_registration.h"

#include <utility>

#include "csi/identity_service.h"

namespace berth {

KubeletRegistrationService::KubeletRegistrationService(
    RpcRunner& rpcs, std::string csi_socket, std::function<void(const std::string&)> on_failure)
    : rpcs_(rpcs), csi_socket_(std::move(csi_socket)), on_failure_(std::move(on_failure)) {}

grpc::ServerUnaryReactor* KubeletRegistrationService::GetInfo(
    grpc::CallbackServerContext* context, const pluginregistration::InfoRequest* request,
    pluginregistration::PluginInfo* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "registration GetInfo",
                      .kind = RpcKind::kQuery,
                      .body = [this](const auto&, auto& reply, absl::Time) {
                        reply.set_type("CSIPlugin");
                        reply.set_name(kDriverName);
                        reply.set_endpoint(csi_socket_);
                        reply.add_supported_versions("1.0.0");
                        return absl::OkStatus();
                      }});
}

grpc::ServerUnaryReactor* KubeletRegistrationService::NotifyRegistrationStatus(
    grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* request,
    pluginregistration::RegistrationStatusResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      {.name = "NotifyRegistrationStatus", .body = [this](const auto& r, auto&, absl::Time) {
         if (!r.plugin_registered()) on_failure_(r.error());
         return absl::OkStatus();
       }});
}

std::string RegistrationSocketPath(const std::string& registration_dir) {
  return registration_dir + "/" + kDriverName + "-reg.sock";
}

}  // namespace berth
