#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "csi.grpc.pb.h"

namespace berth::provisioner {

// A CSI driver's controller side as its caller sees it. Errors have the gRPC code and the driver's
// own message. Every call ends after `call_timeout` with DEADLINE_EXCEEDED. Thread-safe.
class CsiDriver {
 public:
  struct Capabilities {
    bool create_delete_volume = false;
    bool publish_unpublish_volume = false;
    bool publish_readonly = false;
    bool single_node_multi_writer = false;
  };

  CsiDriver(const std::shared_ptr<grpc::Channel>& channel, absl::Duration call_timeout);

  // Asks the driver for its name and capabilities, waiting for it to be served; before any other
  // call. FAILED_PRECONDITION when it has no controller service.
  Status Learn();
  const std::string& name() const { return name_; }
  const Capabilities& capabilities() const { return capabilities_; }

  StatusOr<csi::v1::CreateVolumeResponse> CreateVolume(const csi::v1::CreateVolumeRequest& request);
  // OK also when there is no such volume, as CSI prescribes.
  Status DeleteVolume(const csi::v1::DeleteVolumeRequest& request);
  StatusOr<csi::v1::ControllerPublishVolumeResponse> Publish(
      const csi::v1::ControllerPublishVolumeRequest& request);
  Status Unpublish(const csi::v1::ControllerUnpublishVolumeRequest& request);

  // Ends the calls that are on their way with CANCELLED, and all calls from now on, until Resume.
  void CancelCalls();
  void Resume();

 private:
  struct Calls {
    std::set<grpc::ClientContext*> active;
    bool refused = false;
  };
  template <typename Stub, typename Request, typename Response>
  StatusOr<Response> Call(Stub& stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
                          const Request& request, bool wait_for_ready = false);

  const absl::Duration call_timeout_;
  const std::unique_ptr<csi::v1::Identity::StubInterface> identity_;
  const std::unique_ptr<csi::v1::Controller::StubInterface> controller_;
  std::string name_;
  Capabilities capabilities_;
  Synchronized<Calls> calls_;
};

}  // namespace berth::provisioner
