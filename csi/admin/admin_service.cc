#include "csi/admin/admin_service.h"

#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "csi/admin/doctor_messages.h"
#include "csi/request_checks.h"
#include "rbd/holders.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

constexpr absl::Duration kTimeToLook = absl::Seconds(20);

void Add(google::protobuf::RepeatedPtrField<admin::v1::Problem>& problems,
         const std::string& subject, const Status& status) {
  admin::v1::Problem& problem = *problems.Add();
  problem.set_subject(subject);
  problem.set_error(std::string(status.message()));
}

admin::v1::Holder ToMessage(const VolumeHandle& volume, const VolumeRecord& record,
                            const WriterClaim& claim) {
  admin::v1::Holder holder;
  holder.set_volume(volume.ToString());
  holder.set_node(claim.node);
  holder.set_state(std::string(ClaimStateName(claim.state)));
  holder.set_epoch(claim.epoch);
  holder.set_boot_id(claim.boot_id);
  for (const std::string& instance : claim.instances) holder.add_instances(instance);
  holder.mutable_owner()->insert(record.owner.begin(), record.owner.end());
  if (!claim.node.empty()) holder.set_access(std::string(AccessModeName(AccessOf(record, claim))));
  return holder;
}

void AddHolders(const VolumeHandle& volume, const VolumeRecord& record,
                admin::v1::ListHoldersResponse& response) {
  for (const WriterClaim& claim : HeldClaims(record)) {
    *response.add_holders() = ToMessage(volume, record, claim);
  }
}

}  // namespace

Status AdminService::Holders(const admin::v1::ListHoldersRequest& request,
                             admin::v1::ListHoldersResponse& response) {
  if (!request.volume().empty()) {
    BERTH_ASSIGN_OR_RETURN(const VolumeHandle volume, ParseVolumeHandle(request.volume()));
    BERTH_ASSIGN_OR_RETURN(const VolumeRecord record, volumes_.Get(volume, std::nullopt));
    AddHolders(volume, record, response);
    if (response.holders().empty()) {
      *response.add_holders() = ToMessage(volume, record, record.writer);
    }
    return absl::OkStatus();
  }
  ForEachHolder(
      connections_,
      [&](const VolumeHandle& volume, const VolumeRecord& record) {
        AddHolders(volume, record, response);
      },
      [&](const std::string& subject, const Status& status) {
        Add(*response.mutable_problems(), subject, status);
      });
  return absl::OkStatus();
}

Status AdminService::Fence(const admin::v1::FenceNodeRequest& request,
                           admin::v1::FenceNodeResponse& response) {
  const Status status = fencing_.Fence(
      request.node(), request.reason(), [&](const VolumeHandle& volume, const Status& taken) {
        if (taken.ok()) {
          response.add_volumes(volume.ToString());
        } else {
          Add(*response.mutable_problems(), volume.ToString(), taken);
        }
      });
  // Whoever asked must learn what was done, too; a volume's own error is there already.
  if (!status.ok() && response.problems().empty()) {
    Add(*response.mutable_problems(), request.node(), status);
  }
  return absl::OkStatus();
}

Status AdminService::Fences(admin::v1::ListFencesResponse& response) {
  const ReportProblem report = [&](const std::string& subject, const Status& status) {
    Add(*response.mutable_problems(), subject, status);
  };
  fencing_.List(
      [&](const std::string& cluster, const NodeFence& fence) {
        admin::v1::NodeFence& node = *response.add_nodes();
        node.set_cluster(cluster);
        node.set_node(fence.node_id);
        node.set_reason(fence.reason);
        node.set_since_s(fence.since_s);
      },
      report);
  ForEachFence(
      connections_,
      [&](const VolumeHandle& volume, const FenceRecord& fence, bool in_force) {
        admin::v1::InstanceFence& instance = *response.add_instances();
        instance.set_volume(volume.ToString());
        instance.set_node(fence.node);
        instance.set_instance(fence.instance);
        instance.set_epoch(fence.epoch);
        instance.set_since_s(fence.since_s);
        instance.set_until_s(fence.until_s);
        instance.set_in_force(in_force);
      },
      report);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListHolders(grpc::CallbackServerContext* context,
                                                    const admin::v1::ListHoldersRequest* request,
                                                    admin::v1::ListHoldersResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      RpcMethod<admin::v1::ListHoldersRequest, admin::v1::ListHoldersResponse>{
          .name = "ListHolders",
          .kind = RpcKind::kQuery,
          .subject = [](const auto& r) { return r.volume(); },
          .guarded = false,
          .body = [this](const auto& r, auto& reply, absl::Time) { return Holders(r, reply); }});
}

grpc::ServerUnaryReactor* AdminService::FenceNode(grpc::CallbackServerContext* context,
                                                  const admin::v1::FenceNodeRequest* request,
                                                  admin::v1::FenceNodeResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      RpcMethod<admin::v1::FenceNodeRequest, admin::v1::FenceNodeResponse>{
          .name = "FenceNode",
          .validate = [](const auto& r) { return CheckRequired("node", r.node()); },
          .subject = [](const auto& r) { return r.node(); },
          .body = [this](const auto& r, auto& reply, absl::Time) { return Fence(r, reply); }});
}

grpc::ServerUnaryReactor* AdminService::UnfenceNode(grpc::CallbackServerContext* context,
                                                    const admin::v1::UnfenceNodeRequest* request,
                                                    admin::v1::UnfenceNodeResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      RpcMethod<admin::v1::UnfenceNodeRequest, admin::v1::UnfenceNodeResponse>{
          .name = "UnfenceNode",
          .validate = [](const auto& r) { return CheckRequired("node", r.node()); },
          .subject = [](const auto& r) { return r.node(); },
          .body = [this](const auto& r, auto&, absl::Time) { return fencing_.Unfence(r.node()); }});
}

grpc::ServerUnaryReactor* AdminService::ListFences(grpc::CallbackServerContext* context,
                                                   const admin::v1::ListFencesRequest* request,
                                                   admin::v1::ListFencesResponse* response) {
  return rpcs_.Serve(
      context, request, response,
      RpcMethod<admin::v1::ListFencesRequest, admin::v1::ListFencesResponse>{
          .name = "ListFences",
          .kind = RpcKind::kQuery,
          .guarded = false,
          .body = [this](const auto&, auto& reply, absl::Time) { return Fences(reply); }});
}

grpc::ServerUnaryReactor* AdminService::Examine(grpc::CallbackServerContext* context,
                                                const admin::v1::ExamineRequest* request,
                                                admin::v1::ExamineResponse* response) {
  return rpcs_.Serve(context, request, response,
                     RpcMethod<admin::v1::ExamineRequest, admin::v1::ExamineResponse>{
                         .name = "Examine",
                         .kind = RpcKind::kQuery,
                         .guarded = false,
                         .body = [this](const auto&, auto& reply, absl::Time deadline) {
                           reply = ToMessage(doctor_.Examine(deadline));
                           return absl::OkStatus();
                         }});
}

grpc::ServerUnaryReactor* AdminService::Repair(grpc::CallbackServerContext* context,
                                               const admin::v1::RepairRequest* request,
                                               admin::v1::RepairResponse* response) {
  return rpcs_.Serve(context, request, response,
                     RpcMethod<admin::v1::RepairRequest, admin::v1::RepairResponse>{
                         .name = "Repair",
                         .guarded = false,
                         .body = [this](const auto& r, auto& reply, absl::Time deadline) {
                           for (const admin::v1::Remedy& remedy : r.remedies()) {
                             // The rest of the time is for looking how it is then.
                             if (absl::Now() > deadline - kTimeToLook) break;
                             *reply.add_outcomes() = Apply(doctor_, remedy);
                           }
                           *reply.mutable_after() = ToMessage(doctor_.Examine(deadline));
                           return absl::OkStatus();
                         }});
}

}  // namespace berth
