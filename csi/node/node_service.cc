#include "csi/node/node_service.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "csi/node/block_device.h"
#include "csi/node/node_request.h"
#include "csi/node/stats.h"

namespace berth {
namespace {

using ::csi::v1::NodeServiceCapability;
using ::csi::v1::VolumeUsage;

constexpr auto kVolumeId = [](const auto& request) { return request.volume_id(); };

void AddUsage(csi::v1::NodeGetVolumeStatsResponse& response, VolumeUsage::Unit unit,
              const Amounts& amounts) {
  VolumeUsage* usage = response.add_usage();
  usage->set_unit(unit);
  usage->set_total(amounts.total);
  usage->set_used(amounts.used);
  usage->set_available(amounts.available);
}

// A volume_id that is no handle names a volume that cannot be here.
StatusOr<VolumeHandle> FindableHandle(const std::string& volume_id) {
  StatusOr<VolumeHandle> volume = ParseVolumeHandle(volume_id);
  if (!volume.ok()) return absl::NotFoundError(volume.status().message());
  return volume;
}

}  // namespace

NodeService::NodeService(RpcRunner& rpcs, NodeIdentity node, StageRecords records,
                         Attacher& attacher, Formatting& formatting)
    : rpcs_(rpcs),
      node_(std::move(node)),
      records_(std::move(records)),
      staging_(node_, records_, attacher, formatting),
      publishing_(node_, records_, attacher) {}

grpc::ServerUnaryReactor* NodeService::NodeStageVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodeStageVolumeRequest* request,
    csi::v1::NodeStageVolumeResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "NodeStageVolume",
                      .validate = CheckStage,
                      .subject = kVolumeId,
                      .body = [this](const auto& r, auto&, absl::Time deadline) -> Status {
                        BERTH_ASSIGN_OR_RETURN(const StageRequest stage, ReadStageRequest(r));
                        return staging_.Stage(stage, deadline);
                      }});
}

grpc::ServerUnaryReactor* NodeService::NodeUnstageVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodeUnstageVolumeRequest* request,
    csi::v1::NodeUnstageVolumeResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "NodeUnstageVolume",
                      .validate = CheckUnstage,
                      .subject = kVolumeId,
                      .body = [this](const auto& r, auto&, absl::Time deadline) -> Status {
                        BERTH_ASSIGN_OR_RETURN(const VolumeHandle volume,
                                               FindableHandle(r.volume_id()));
                        return staging_.Unstage(volume, r.staging_target_path(), deadline);
                      }});
}

grpc::ServerUnaryReactor* NodeService::NodePublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodePublishVolumeRequest* request,
    csi::v1::NodePublishVolumeResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "NodePublishVolume",
                      .validate = CheckPublish,
                      .subject = kVolumeId,
                      .body = [this](const auto& r, auto&, absl::Time deadline) -> Status {
                        BERTH_ASSIGN_OR_RETURN(const PublishRequest publish, ReadPublishRequest(r));
                        return publishing_.Publish(publish, deadline);
                      }});
}

grpc::ServerUnaryReactor* NodeService::NodeUnpublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::NodeUnpublishVolumeRequest* request,
    csi::v1::NodeUnpublishVolumeResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "NodeUnpublishVolume",
                      .validate = CheckUnpublish,
                      .subject = kVolumeId,
                      .body = [this](const auto& r, auto&, absl::Time) -> Status {
                        BERTH_ASSIGN_OR_RETURN(const VolumeHandle volume,
                                               FindableHandle(r.volume_id()));
                        return publishing_.Unpublish(volume, r.target_path());
                      }});
}

// Not guarded: usage is asked for every minute and must not queue behind a mkfs.
grpc::ServerUnaryReactor* NodeService::NodeGetVolumeStats(
    grpc::CallbackServerContext* context, const csi::v1::NodeGetVolumeStatsRequest* request,
    csi::v1::NodeGetVolumeStatsResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      {.name = "NodeGetVolumeStats",
       .kind = RpcKind::kQuery,
       .validate = CheckGetStats,
       .subject = kVolumeId,
       .guarded = false,
       .body = [this](const auto& r, auto& reply, absl::Time) { return GetStats(r, reply); }});
}

Status NodeService::GetStats(const csi::v1::NodeGetVolumeStatsRequest& request,
                             csi::v1::NodeGetVolumeStatsResponse& response) const {
  BERTH_ASSIGN_OR_RETURN(const VolumeHandle volume, FindableHandle(request.volume_id()));
  BERTH_ASSIGN_OR_RETURN(const std::optional<StageRecord> record, records_.Get(volume));
  bool there = false;
  if (record && record->boot_id == node_.boot_id) {
    BERTH_ASSIGN_OR_RETURN(there, IsPublishedAt(*record, request.volume_path()));
  }
  if (!there) {
    return absl::NotFoundError(fmt::format("volume {} is not at volume_path {}",
                                           request.volume_id(), request.volume_path()));
  }
  if (record->access.block) {
    BERTH_ASSIGN_OR_RETURN(const uint64_t bytes, BlockDeviceSizeBytes(request.volume_path()));
    VolumeUsage* usage = response.add_usage();
    usage->set_unit(VolumeUsage::BYTES);
    usage->set_total(static_cast<int64_t>(bytes));
    return absl::OkStatus();
  }
  BERTH_ASSIGN_OR_RETURN(const FileSystemStats stats, ReadFileSystemStats(request.volume_path()));
  AddUsage(response, VolumeUsage::BYTES, stats.bytes);
  AddUsage(response, VolumeUsage::INODES, stats.inodes);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* NodeService::NodeGetCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::NodeGetCapabilitiesRequest* request,
    csi::v1::NodeGetCapabilitiesResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      {.name = "NodeGetCapabilities",
       .kind = RpcKind::kQuery,
       .body = [](const auto&, auto& reply, absl::Time) {
         for (const auto type : {NodeServiceCapability::RPC::STAGE_UNSTAGE_VOLUME,
                                 NodeServiceCapability::RPC::GET_VOLUME_STATS,
                                 NodeServiceCapability::RPC::SINGLE_NODE_MULTI_WRITER}) {
           reply.add_capabilities()->mutable_rpc()->set_type(type);
         }
         return absl::OkStatus();
       }});
}

grpc::ServerUnaryReactor* NodeService::NodeGetInfo(grpc::CallbackServerContext* context,
                                                   const csi::v1::NodeGetInfoRequest* request,
                                                   csi::v1::NodeGetInfoResponse* response) {
  return rpcs_.Serve(context, request, response,
                     {.name = "NodeGetInfo",
                      .kind = RpcKind::kQuery,
                      .body = [this](const auto&, auto& reply, absl::Time) {
                        reply.set_node_id(node_.node_id);
                        return absl::OkStatus();
                      }});
}

}  // namespace berth
