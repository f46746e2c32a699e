#pragma once

#include <string>

#include "csi.grpc.pb.h"
#include "csi/rpc.h"

namespace berth {

// The driver's name, as CSIDriver, StorageClass and CSINode have it.
inline constexpr char kDriverName[] = "rbd.berth.storage";

// CSI's Identity service, the same in berth-controller and berth-node. Thread-safe.
class IdentityService final : public csi::v1::Identity::CallbackService {
 public:
  // `version`: of the program. `ready`: whether the program has what it needs to serve, which Probe
  // answers; an error says what is missing. It speaks of the process and its configuration only:
  // were it about Ceph, an outage would restart every controller and every node's plugin. `rpcs`
  // must outlive the service.
  IdentityService(RpcRunner& rpcs, std::string version, std::function<Status()> ready);

  grpc::ServerUnaryReactor* GetPluginInfo(grpc::CallbackServerContext* context,
                                          const csi::v1::GetPluginInfoRequest* request,
                                          csi::v1::GetPluginInfoResponse* response) override;
  grpc::ServerUnaryReactor* GetPluginCapabilities(
      grpc::CallbackServerContext* context, const csi::v1::GetPluginCapabilitiesRequest* request,
      csi::v1::GetPluginCapabilitiesResponse* response) override;
  // Not ready is FAILED_PRECONDITION with the reason (CSI, "Probe Errors").
  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context,
                                  const csi::v1::ProbeRequest* request,
                                  csi::v1::ProbeResponse* response) override;

 private:
  RpcRunner& rpcs_;
  const std::string version_;
  const std::function<Status()> ready_;
};

}  // namespace berth
