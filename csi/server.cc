#include "csi/server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "base/unix_socket.h"

namespace berth {
namespace {

constexpr int kMaxMessageBytes = 4 * 1024 * 1024;

}  // namespace

StatusOr<UnixServer> UnixServer::Start(const std::string& socket_path,
                                       const std::vector<grpc::Service*>& services) {
  const std::filesystem::path directory = std::filesystem::path(socket_path).parent_path();
  const mode_t umask_before = umask(0027);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  umask(umask_before);
  if (error) return ErrnoError(error.value(), fmt::format("make {}", directory.string()));
  BERTH_RETURN_IF_ERROR(RemoveStaleSocket(socket_path));

  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  umask(0177);  // the socket is made by bind, which asks the umask
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(umask_before);
  if (server == nullptr) {
    return absl::UnavailableError(fmt::format(
        "cannot listen on {}; see gRPC's message above, and check the directory", socket_path));
  }
  server->GetHealthCheckService()->SetServingStatus(true);
  return UnixServer(socket_path, std::move(server));
}

UnixServer::~UnixServer() { Shutdown(absl::Now()); }

std::shared_ptr<grpc::Channel> UnixServer::InProcessChannel() {
  return server_->InProcessChannel({});
}

void UnixServer::Shutdown(absl::Time deadline) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(absl::ToChronoTime(deadline));
  server_->Wait();
  server_.reset();
}

}  // namespace berth
