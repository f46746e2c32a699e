#include "rbd/data/client.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/fmt/fmt.h>

#include "rbd/data/data_path_messages.h"

namespace berth {
namespace {

// An unreachable server is tried again this soon: it is on this node, and restarts in a second.
constexpr int kReconnect_ms = 200;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnect_ms);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnect_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnect_ms);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(),
                                   arguments);
}

void SetDeadline(grpc::ClientContext& context, absl::Time deadline) {
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
}

}  // namespace

DataPathClient::DataPathClient(const std::string& socket_path)
    : socket_path_(socket_path), stub_(data::v1::DataPath::NewStub(MakeChannel(socket_path))) {}

Status DataPathClient::ToStatus(const grpc::Status& status) const {
  Status converted = FromGrpc(status);
  if (!absl::IsUnavailable(converted)) return converted;
  return Annotate(converted, fmt::format("berth-data at {}", socket_path_));
}

StatusOr<Attachment> DataPathClient::Attach(const AttachRequest& request, absl::Time deadline) {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  data::v1::AttachResponse response;
  BERTH_RETURN_IF_ERROR(ToStatus(stub_->Attach(&context, ToMessage(request), &response)));
  return FromMessage(response.attachment());
}

Status DataPathClient::Detach(const VolumeHandle& volume, absl::Time deadline) {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  data::v1::DetachRequest request;
  request.set_volume(volume.ToString());
  data::v1::DetachResponse response;
  return ToStatus(stub_->Detach(&context, request, &response));
}

StatusOr<std::vector<Attachment>> DataPathClient::List(absl::Time deadline) {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  data::v1::ListResponse response;
  BERTH_RETURN_IF_ERROR(ToStatus(stub_->List(&context, data::v1::ListRequest(), &response)));
  std::vector<Attachment> attachments;
  for (const data::v1::Attachment& message : response.attachments()) {
    BERTH_ASSIGN_OR_RETURN(Attachment attachment, FromMessage(message));
    attachments.push_back(std::move(attachment));
  }
  return attachments;
}

}  // namespace berth
