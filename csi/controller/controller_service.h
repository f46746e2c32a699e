#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "csi.grpc.pb.h"
#include "csi/rpc.h"
#include "rbd/nodes.h"
#include "rbd/publishing.h"
#include "rbd/volume_handle.h"
#include "rbd/volumes.h"

namespace berth {

// The CSI Controller service (CSI 1.13, "Controller Service RPC") over the registry. Stateless: two
// controllers may serve at once, because only the registry decides. Thread-safe.
class ControllerService final : public csi::v1::Controller::CallbackService {
 public:
  struct Parts {
    RpcRunner& rpcs;
    Connections& connections;
    Volumes& volumes;
    Publishing& publishing;
    Nodes& nodes;
    // Told of each deleted volume, so that its image is purged soon. Must not block.
    std::function<void(const VolumeHandle&)> deleted;
  };
  explicit ControllerService(Parts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* CreateVolume(grpc::CallbackServerContext* context,
                                         const csi::v1::CreateVolumeRequest* request,
                                         csi::v1::CreateVolumeResponse* response) override;
  grpc::ServerUnaryReactor* DeleteVolume(grpc::CallbackServerContext* context,
                                         const csi::v1::DeleteVolumeRequest* request,
                                         csi::v1::DeleteVolumeResponse* response) override;
  grpc::ServerUnaryReactor* ControllerPublishVolume(
      grpc::CallbackServerContext* context, const csi::v1::ControllerPublishVolumeRequest* request,
      csi::v1::ControllerPublishVolumeResponse* response) override;
  grpc::ServerUnaryReactor* ControllerUnpublishVolume(
      grpc::CallbackServerContext* context,
      const csi::v1::ControllerUnpublishVolumeRequest* request,
      csi::v1::ControllerUnpublishVolumeResponse* response) override;
  grpc::ServerUnaryReactor* ValidateVolumeCapabilities(
      grpc::CallbackServerContext* context,
      const csi::v1::ValidateVolumeCapabilitiesRequest* request,
      csi::v1::ValidateVolumeCapabilitiesResponse* response) override;
  grpc::ServerUnaryReactor* ControllerGetCapabilities(
      grpc::CallbackServerContext* context,
      const csi::v1::ControllerGetCapabilitiesRequest* request,
      csi::v1::ControllerGetCapabilitiesResponse* response) override;

 private:
  Status Create(const csi::v1::CreateVolumeRequest& request,
                csi::v1::CreateVolumeResponse& response);
  Status Delete(const csi::v1::DeleteVolumeRequest& request);
  Status Publish(const csi::v1::ControllerPublishVolumeRequest& request,
                 csi::v1::ControllerPublishVolumeResponse& response);
  Status Unpublish(const csi::v1::ControllerUnpublishVolumeRequest& request);
  Status Validate(const csi::v1::ValidateVolumeCapabilitiesRequest& request,
                  csi::v1::ValidateVolumeCapabilitiesResponse& response);

  const Parts parts_;
};

}  // namespace berth
