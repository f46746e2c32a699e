#include "rbd/data/data_path_service.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <utility>

#include "absl/time/clock.h"
#include "base/unix_socket.h"
#include "rbd/data/data_path_messages.h"

namespace berth {
namespace {

constexpr int kMaxThreads = 128;
constexpr absl::Duration kLastAnswers = absl::Milliseconds(200);

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return absl::Now() + absl::Minutes(2);  // the longest that any caller of CSI waits
  }
  return absl::FromChrono(deadline);
}

}  // namespace

class DataPathServer::Service final : public data::v1::DataPath::Service {
 public:
  Service(Attacher& attacher, OnCall on_call) : attacher_(attacher), on_call_(std::move(on_call)) {}

  grpc::Status Attach(grpc::ServerContext* context, const data::v1::AttachRequest* request,
                      data::v1::AttachResponse* response) override {
    return Finish("Attach", request->volume(), [&]() -> Status {
      BERTH_ASSIGN_OR_RETURN(const AttachRequest attach, FromMessage(*request));
      BERTH_ASSIGN_OR_RETURN(const Attachment attachment,
                             attacher_.Attach(attach, DeadlineOf(*context)));
      *response->mutable_attachment() = ToMessage(attachment);
      return absl::OkStatus();
    });
  }

  grpc::Status Detach(grpc::ServerContext* context, const data::v1::DetachRequest* request,
                      data::v1::DetachResponse*) override {
    return Finish("Detach", request->volume(), [&]() -> Status {
      BERTH_ASSIGN_OR_RETURN(const VolumeHandle volume, ParseVolumeHandle(request->volume()));
      return attacher_.Detach(volume, DeadlineOf(*context));
    });
  }

  grpc::Status List(grpc::ServerContext* context, const data::v1::ListRequest*,
                    data::v1::ListResponse* response) override {
    return Finish("List", "", [&]() -> Status {
      BERTH_ASSIGN_OR_RETURN(const auto attachments, attacher_.List(DeadlineOf(*context)));
      for (const Attachment& attachment : attachments) {
        *response->add_attachments() = ToMessage(attachment);
      }
      return absl::OkStatus();
    });
  }

 private:
  template <typename Call>
  grpc::Status Finish(const char* name, const std::string& volume, Call call) {
    const Status status = call();
    on_call_(name, volume, status);
    return ToGrpc(status);
  }

  Attacher& attacher_;
  const OnCall on_call_;
};

DataPathServer::DataPathServer(std::unique_ptr<Service> service) : service_(std::move(service)) {}

// A client that makes no call does not notice that it should hang up, so the wait is short.
DataPathServer::~DataPathServer() {
  if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now() + kLastAnswers));
}

StatusOr<std::unique_ptr<DataPathServer>> DataPathServer::Start(const std::string& socket_path,
                                                                Attacher& attacher,
                                                                OnCall on_call) {
  // gRPC removes the name that it was given when it ends: it must not be the one in use.
  const std::string temporary = TemporarySocketPath(socket_path);
  std::unique_ptr<DataPathServer> server(
      new DataPathServer(std::make_unique<Service>(attacher, std::move(on_call))));
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.AddListeningPort("unix:" + temporary, grpc::InsecureServerCredentials());
  builder.RegisterService(server->service_.get());
  const mode_t previous = umask(0177);
  server->server_ = builder.BuildAndStart();
  umask(previous);
  if (server->server_ == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("cannot listen on {}: its directory must exist and be writable", socket_path));
  }
  BERTH_RETURN_IF_ERROR(PutSocketInPlace(temporary, socket_path));
  return server;
}

}  // namespace berth
