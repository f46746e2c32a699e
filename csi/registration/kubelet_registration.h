#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "csi/rpc.h"
#include "csi/server.h"
#include "pkg/apis/pluginregistration/v1/api.grpc.pb.h"

namespace berth {

// The service with which the kubelet learns of a CSI plugin on its node (k8s.io/kubelet,
// pluginregistration/v1): it finds the socket in its plugins_registry directory, asks GetInfo,
// calls the CSI socket and says how that went. Thread-safe.
class KubeletRegistrationService final : public pluginregistration::Registration::CallbackService {
 public:
  // `csi_socket`: the path of the CSI socket as the kubelet sees it. `on_failure` gets the
  // kubelet's reason when it does not take the plugin; it tries again by itself.
  KubeletRegistrationService(RpcRunner& rpcs, std::string csi_socket,
                             std::function<void(const std::string&)> on_failure);

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const pluginregistration::InfoRequest* request,
                                    pluginregistration::PluginInfo* response) override;
  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* request,
      pluginregistration::RegistrationStatusResponse* response) override;

 private:
  RpcRunner& rpcs_;
  const std::string csi_socket_;
  const std::function<void(const std::string&)> on_failure_;
};

// The socket that the kubelet looks for in `registration_dir`, "<driver>-reg.sock". To be served
// only once the CSI socket is: the kubelet calls that one at once.
std::string RegistrationSocketPath(const std::string& registration_dir);

}  // namespace berth
