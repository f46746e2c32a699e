#pragma once

#include "csi.grpc.pb.h"
#include "csi/node/publish_volume.h"
#include "csi/node/stage_record.h"
#include "csi/node/stage_volume.h"
#include "csi/rpc.h"
#include "rbd/attacher.h"
#include "rbd/formatting.h"

namespace berth {

// CSI's Node service: reads requests, leaves the work to VolumeStaging and VolumePublishing, fills
// responses. It keeps nothing in memory between two calls. Thread-safe.
class NodeService final : public csi::v1::Node::CallbackService {
 public:
  // All references must outlive the service and `rpcs`'s bodies.
  NodeService(RpcRunner& rpcs, NodeIdentity node, StageRecords records, Attacher& attacher,
              Formatting& formatting);

  grpc::ServerUnaryReactor* NodeStageVolume(grpc::CallbackServerContext* context,
                                            const csi::v1::NodeStageVolumeRequest* request,
                                            csi::v1::NodeStageVolumeResponse* response) override;
  grpc::ServerUnaryReactor* NodeUnstageVolume(
      grpc::CallbackServerContext* context, const csi::v1::NodeUnstageVolumeRequest* request,
      csi::v1::NodeUnstageVolumeResponse* response) override;
  grpc::ServerUnaryReactor* NodePublishVolume(
      grpc::CallbackServerContext* context, const csi::v1::NodePublishVolumeRequest* request,
      csi::v1::NodePublishVolumeResponse* response) override;
  grpc::ServerUnaryReactor* NodeUnpublishVolume(
      grpc::CallbackServerContext* context, const csi::v1::NodeUnpublishVolumeRequest* request,
      csi::v1::NodeUnpublishVolumeResponse* response) override;
  // Bytes and inodes of a mounted volume, bytes of a raw block one. NOT_FOUND when the volume is
  // not at the path.
  grpc::ServerUnaryReactor* NodeGetVolumeStats(
      grpc::CallbackServerContext* context, const csi::v1::NodeGetVolumeStatsRequest* request,
      csi::v1::NodeGetVolumeStatsResponse* response) override;
  grpc::ServerUnaryReactor* NodeGetCapabilities(
      grpc::CallbackServerContext* context, const csi::v1::NodeGetCapabilitiesRequest* request,
      csi::v1::NodeGetCapabilitiesResponse* response) override;
  // Names the node. No maximum number of volumes: the data path has none of its own.
  grpc::ServerUnaryReactor* NodeGetInfo(grpc::CallbackServerContext* context,
                                        const csi::v1::NodeGetInfoRequest* request,
                                        csi::v1::NodeGetInfoResponse* response) override;

 private:
  Status GetStats(const csi::v1::NodeGetVolumeStatsRequest& request,
                  csi::v1::NodeGetVolumeStatsResponse& response) const;

  RpcRunner& rpcs_;
  const NodeIdentity node_;
  const StageRecords records_;
  const VolumeStaging staging_;
  const VolumePublishing publishing_;
};

}  // namespace berth
