#include "csi/controller/controller_service.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "csi/controller/capacity.h"
#include "csi/controller/class_parameters.h"
#include "csi/request_checks.h"
#include "csi/secrets.h"

namespace berth {
namespace {

using csi::v1::ControllerServiceCapability;

std::map<std::string, std::string> ToMap(
    const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

template <typename Capabilities>
Status CheckCapabilities(const Capabilities& capabilities) {
  if (capabilities.empty()) return absl::InvalidArgumentError("volume_capabilities is missing");
  for (const csi::v1::VolumeCapability& capability : capabilities) {
    BERTH_RETURN_IF_ERROR(CheckCapability(capability));
  }
  return absl::OkStatus();
}

// What nobody may ever write to would stay empty for good.
Status CheckWritable(const csi::v1::CreateVolumeRequest& request) {
  const auto& capabilities = request.volume_capabilities();
  if (!std::all_of(capabilities.begin(), capabilities.end(), IsReadOnly)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "volume_capabilities: a new volume is empty, and no access mode that is asked for may write "
      "to it; ask for ReadWriteOnce, fill the volume, and give it to readers by a PersistentVolume "
      "with ReadOnlyMany of the same volumeHandle");
}

Status CheckCreate(const csi::v1::CreateVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckRequired("name", request.name()));
  BERTH_RETURN_IF_ERROR(CheckCapabilities(request.volume_capabilities()));
  BERTH_RETURN_IF_ERROR(CheckWritable(request));
  BERTH_RETURN_IF_ERROR(CheckMap("parameters", request.parameters()));
  BERTH_RETURN_IF_ERROR(CheckMap("secrets", request.secrets()));
  if (request.has_volume_content_source()) {
    return absl::InvalidArgumentError(
        "volume_content_source: making a volume from a snapshot or another volume is not supported "
        "yet");
  }
  if (!request.mutable_parameters().empty()) {
    return absl::InvalidArgumentError(
        fmt::format("mutable_parameters: \"{}\" is unknown; this driver has none",
                    request.mutable_parameters().begin()->first));
  }
  return absl::OkStatus();
}

Status CheckPublish(const csi::v1::ControllerPublishVolumeRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  BERTH_RETURN_IF_ERROR(CheckRequired("node_id", request.node_id()));
  if (!request.has_volume_capability()) {
    return absl::InvalidArgumentError("volume_capability is missing");
  }
  BERTH_RETURN_IF_ERROR(CheckCapability(request.volume_capability()));
  if (request.readonly()) {
    return absl::InvalidArgumentError(
        "readonly: true is not supported (PUBLISH_READONLY is not advertised); use a read-only "
        "mount "
        "in the pod");
  }
  return absl::OkStatus();
}

Status CheckValidate(const csi::v1::ValidateVolumeCapabilitiesRequest& request) {
  BERTH_RETURN_IF_ERROR(CheckVolumeId(request.volume_id()));
  if (request.volume_capabilities().empty()) {
    return absl::InvalidArgumentError("volume_capabilities is missing");
  }
  return absl::OkStatus();
}

Writers WritersOf(const csi::v1::CreateVolumeRequest& request) {
  const auto& capabilities = request.volume_capabilities();
  return std::any_of(capabilities.begin(), capabilities.end(),
                     [](const auto& capability) {
                       return AccessModeOf(capability) == AccessMode::kReadWriteMany;
                     })
             ? Writers::kMany
             : Writers::kOne;
}

// CreateVolume's NOT_FOUND speaks of a content source (CSI: CreateVolume Errors). A cluster or pool
// that does not exist is a parameter that is wrong.
Status AsParameterError(const Status& status, const ClassParameters& parameters) {
  if (status.code() != absl::StatusCode::kNotFound) return status;
  return absl::InvalidArgumentError(
      fmt::format("StorageClass parameters cluster \"{}\", pool \"{}\": {}", parameters.cluster,
                  parameters.pool, std::string(status.message())));
}

// A volume_id of another shape was never given out by this driver: there is no such volume.
StatusOr<VolumeHandle> ParseExisting(const std::string& volume_id) {
  StatusOr<VolumeHandle> handle = ParseVolumeHandle(volume_id);
  if (handle.ok()) return handle;
  return absl::NotFoundError(fmt::format("volume \"{}\" does not exist: {}", volume_id,
                                         std::string(handle.status().message())));
}

}  // namespace

Status ControllerService::Create(const csi::v1::CreateVolumeRequest& request,
                                 csi::v1::CreateVolumeResponse& response) {
  BERTH_ASSIGN_OR_RETURN(ClassParameters parameters,
                         ParseClassParameters(ToMap(request.parameters())));
  BERTH_ASSIGN_OR_RETURN(
      const int64_t size_bytes,
      ChooseVolumeBytes(request.has_capacity_range(), request.capacity_range().required_bytes(),
                        request.capacity_range().limit_bytes()));
  if (parameters.cluster.empty()) {
    BERTH_ASSIGN_OR_RETURN(parameters.cluster, parts_.connections.clusters().DefaultAlias());
  }
  const VolumeHandle handle = {parameters.cluster, parameters.pool, parameters.rados_namespace,
                               ImageNameFor(request.name())};
  if (handle.ToString().size() > kMaxVolumeHandleBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "the volume's handle \"{}\" would be longer than {} bytes; use shorter names for "
        "StorageClass parameters cluster, pool and radosNamespace",
        handle.ToString(), kMaxVolumeHandleBytes));
  }
  CreateVolumeOptions options;
  options.request_name = request.name();
  options.cluster = parameters.cluster;
  options.pool = parameters.pool;
  options.rados_namespace = parameters.rados_namespace;
  options.size_bytes = static_cast<uint64_t>(size_bytes);
  options.required_bytes = static_cast<uint64_t>(request.capacity_range().required_bytes());
  options.limit_bytes = static_cast<uint64_t>(request.capacity_range().limit_bytes());
  options.writers = WritersOf(request);
  options.request =
      parameters.InWords() + (options.writers == Writers::kMany ? " writers=many" : "");
  options.owner = parameters.owner;
  options.trash_retention_s = parameters.trash_retention_s;
  BERTH_ASSIGN_OR_RETURN(options.user, UserFromSecrets(request.secrets()));
  const StatusOr<VolumeRecord> record = parts_.volumes.Create(options);
  if (!record.ok()) return AsParameterError(record.status(), parameters);
  csi::v1::Volume& volume = *response.mutable_volume();
  volume.set_volume_id(handle.ToString());
  volume.set_capacity_bytes(static_cast<int64_t>(record->size_bytes));
  return absl::OkStatus();
}

Status ControllerService::Delete(const csi::v1::DeleteVolumeRequest& request) {
  const StatusOr<VolumeHandle> handle = ParseVolumeHandle(request.volume_id());
  if (!handle.ok()) return absl::OkStatus();  // CSI: a volume that does not exist is deleted
  BERTH_ASSIGN_OR_RETURN(const std::optional<CephUser> user, UserFromSecrets(request.secrets()));
  Status status = parts_.volumes.Delete(*handle, user);
  if (status.code() == absl::StatusCode::kNotFound) {
    // The cluster or pool is not there, which says nothing about the volume.
    return absl::FailedPreconditionError(fmt::format("volume \"{}\" cannot be looked for: {}",
                                                     request.volume_id(),
                                                     std::string(status.message())));
  }
  if (status.ok()) parts_.deleted(*handle);
  return status;
}

Status ControllerService::Publish(const csi::v1::ControllerPublishVolumeRequest& request,
                                  csi::v1::ControllerPublishVolumeResponse& response) {
  BERTH_ASSIGN_OR_RETURN(const VolumeHandle handle, ParseExisting(request.volume_id()));
  BERTH_ASSIGN_OR_RETURN(const std::optional<CephUser> user, UserFromSecrets(request.secrets()));
  BERTH_RETURN_IF_ERROR(parts_.nodes.Find(handle, request.node_id(), user).status());
  BERTH_ASSIGN_OR_RETURN(
      const uint64_t epoch,
      parts_.publishing.Publish(handle, request.node_id(),
                                AccessModeOf(request.volume_capability()), user));
  (*response.mutable_publish_context())[kEpochKey] = std::to_string(epoch);
  return absl::OkStatus();
}

Status ControllerService::Unpublish(const csi::v1::ControllerUnpublishVolumeRequest& request) {
  const StatusOr<VolumeHandle> handle = ParseVolumeHandle(request.volume_id());
  if (!handle.ok()) return absl::OkStatus();  // never given out, so never published
  BERTH_ASSIGN_OR_RETURN(const std::optional<CephUser> user, UserFromSecrets(request.secrets()));
  return parts_.publishing.Unpublish(*handle, request.node_id(), user);
}

Status ControllerService::Validate(const csi::v1::ValidateVolumeCapabilitiesRequest& request,
                                   csi::v1::ValidateVolumeCapabilitiesResponse& response) {
  BERTH_ASSIGN_OR_RETURN(const VolumeHandle handle, ParseExisting(request.volume_id()));
  BERTH_ASSIGN_OR_RETURN(const std::optional<CephUser> user, UserFromSecrets(request.secrets()));
  BERTH_RETURN_IF_ERROR(parts_.volumes.Get(handle, user).status());
  Status unsupported = CheckCapabilities(request.volume_capabilities());
  for (const csi::v1::VolumeCapability& capability : request.volume_capabilities()) {
    if (!unsupported.ok()) break;
    unsupported = parts_.publishing.CheckAccess(handle, AccessModeOf(capability), user);
    if (OutcomeIsUnknown(unsupported.code())) return unsupported;
  }
  if (unsupported.ok() && !request.parameters().empty()) {
    unsupported = ParseClassParameters(ToMap(request.parameters())).status();
  }
  if (!unsupported.ok()) {
    response.set_message(std::string(unsupported.message()));
    return absl::OkStatus();
  }
  auto& confirmed = *response.mutable_confirmed();
  *confirmed.mutable_volume_context() = request.volume_context();
  *confirmed.mutable_volume_capabilities() = request.volume_capabilities();
  *confirmed.mutable_parameters() = request.parameters();
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ControllerService::CreateVolume(
    grpc::CallbackServerContext* context, const csi::v1::CreateVolumeRequest* request,
    csi::v1::CreateVolumeResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::CreateVolumeRequest, csi::v1::CreateVolumeResponse>{
          .name = "CreateVolume",
          .validate = CheckCreate,
          .subject = [](const auto& r) { return r.name(); },
          .body = [this](const auto& r, auto& reply, absl::Time) { return Create(r, reply); }});
}

grpc::ServerUnaryReactor* ControllerService::DeleteVolume(
    grpc::CallbackServerContext* context, const csi::v1::DeleteVolumeRequest* request,
    csi::v1::DeleteVolumeResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::DeleteVolumeRequest, csi::v1::DeleteVolumeResponse>{
          .name = "DeleteVolume",
          .validate = [](const auto& r) { return CheckVolumeId(r.volume_id()); },
          .subject = [](const auto& r) { return r.volume_id(); },
          .body = [this](const auto& r, auto&, absl::Time) { return Delete(r); }});
}

grpc::ServerUnaryReactor* ControllerService::ControllerPublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::ControllerPublishVolumeRequest* request,
    csi::v1::ControllerPublishVolumeResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::ControllerPublishVolumeRequest, csi::v1::ControllerPublishVolumeResponse>{
          .name = "ControllerPublishVolume",
          .validate = CheckPublish,
          .subject = [](const auto& r) { return r.volume_id(); },
          .body = [this](const auto& r, auto& reply, absl::Time) { return Publish(r, reply); }});
}

grpc::ServerUnaryReactor* ControllerService::ControllerUnpublishVolume(
    grpc::CallbackServerContext* context, const csi::v1::ControllerUnpublishVolumeRequest* request,
    csi::v1::ControllerUnpublishVolumeResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::ControllerUnpublishVolumeRequest,
                csi::v1::ControllerUnpublishVolumeResponse>{
          .name = "ControllerUnpublishVolume",
          .validate = [](const auto& r) { return CheckVolumeId(r.volume_id()); },
          .subject = [](const auto& r) { return r.volume_id(); },
          .body = [this](const auto& r, auto&, absl::Time) { return Unpublish(r); }});
}

grpc::ServerUnaryReactor* ControllerService::ValidateVolumeCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::ValidateVolumeCapabilitiesRequest* request,
    csi::v1::ValidateVolumeCapabilitiesResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::ValidateVolumeCapabilitiesRequest,
                csi::v1::ValidateVolumeCapabilitiesResponse>{
          .name = "ValidateVolumeCapabilities",
          .kind = RpcKind::kQuery,
          .validate = CheckValidate,
          .subject = [](const auto& r) { return r.volume_id(); },
          .guarded = false,
          .body = [this](const auto& r, auto& reply, absl::Time) { return Validate(r, reply); }});
}

grpc::ServerUnaryReactor* ControllerService::ControllerGetCapabilities(
    grpc::CallbackServerContext* context, const csi::v1::ControllerGetCapabilitiesRequest* request,
    csi::v1::ControllerGetCapabilitiesResponse* response) {
  return parts_.rpcs.Serve(
      context, request, response,
      RpcMethod<csi::v1::ControllerGetCapabilitiesRequest,
                csi::v1::ControllerGetCapabilitiesResponse>{
          .name = "ControllerGetCapabilities",
          .kind = RpcKind::kQuery,
          .body = [](const auto&, auto& reply, absl::Time) {
            for (const auto type : {ControllerServiceCapability::RPC::CREATE_DELETE_VOLUME,
                                    ControllerServiceCapability::RPC::PUBLISH_UNPUBLISH_VOLUME,
                                    ControllerServiceCapability::RPC::SINGLE_NODE_MULTI_WRITER}) {
              reply.add_capabilities()->mutable_rpc()->set_type(type);
            }
            return absl::OkStatus();
          }});
}

}  // namespace berth
