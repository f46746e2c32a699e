#pragma once

#include "admin.grpc.pb.h"
#include "csi/rpc.h"
#include "rbd/connections.h"
#include "rbd/doctor/doctor.h"
#include "rbd/node_fencing.h"
#include "rbd/volumes.h"

namespace berth {

// csi/admin/admin.proto over the registry. Thread-safe.
class AdminService final : public admin::v1::Admin::CallbackService {
 public:
  // All references must outlive the service and `rpcs`'s bodies.
  AdminService(RpcRunner& rpcs, Connections& connections, Volumes& volumes, NodeFencing& fencing,
               Doctor& doctor)
      : rpcs_(rpcs),
        connections_(connections),
        volumes_(volumes),
        fencing_(fencing),
        doctor_(doctor) {}

  grpc::ServerUnaryReactor* ListHolders(grpc::CallbackServerContext* context,
                                        const admin::v1::ListHoldersRequest* request,
                                        admin::v1::ListHoldersResponse* response) override;
  grpc::ServerUnaryReactor* FenceNode(grpc::CallbackServerContext* context,
                                      const admin::v1::FenceNodeRequest* request,
                                      admin::v1::FenceNodeResponse* response) override;
  grpc::ServerUnaryReactor* UnfenceNode(grpc::CallbackServerContext* context,
                                        const admin::v1::UnfenceNodeRequest* request,
                                        admin::v1::UnfenceNodeResponse* response) override;
  grpc::ServerUnaryReactor* ListFences(grpc::CallbackServerContext* context,
                                       const admin::v1::ListFencesRequest* request,
                                       admin::v1::ListFencesResponse* response) override;
  grpc::ServerUnaryReactor* Examine(grpc::CallbackServerContext* context,
                                    const admin::v1::ExamineRequest* request,
                                    admin::v1::ExamineResponse* response) override;
  grpc::ServerUnaryReactor* Repair(grpc::CallbackServerContext* context,
                                   const admin::v1::RepairRequest* request,
                                   admin::v1::RepairResponse* response) override;

 private:
  Status Holders(const admin::v1::ListHoldersRequest& request,
                 admin::v1::ListHoldersResponse& response);
  Status Fence(const admin::v1::FenceNodeRequest& request, admin::v1::FenceNodeResponse& response);
  Status Fences(admin::v1::ListFencesResponse& response);

  RpcRunner& rpcs_;
  Connections& connections_;
  Volumes& volumes_;
  NodeFencing& fencing_;
  Doctor& doctor_;
};

}  // namespace berth
