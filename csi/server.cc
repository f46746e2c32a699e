#include "csi/server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "base/fd.h"

namespace berth {
namespace {

constexpr int kMaxMessageBytes = 4 * 1024 * 1024;

StatusOr<bool> SomebodyAnswers(const std::string& socket_path) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path \"{}\" has {} bytes; the limit is {}", socket_path,
                    socket_path.size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return true;
  }
  // EAGAIN: somebody listens whose queue of connections is full.
  if (errno == EAGAIN) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  return ErrnoError(errno, fmt::format("look who answers on {}", socket_path));
}

Status RemoveStaleSocket(const std::string& socket_path) {
  struct stat entry = {};
  if (lstat(socket_path.c_str(), &entry) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoError(errno, fmt::format("look at {}", socket_path));
  }
  if (!S_ISSOCK(entry.st_mode)) {
    return absl::FailedPreconditionError(fmt::format(
        "{} exists and is not a socket; remove it or choose another path", socket_path));
  }
  BERTH_ASSIGN_OR_RETURN(const bool in_use, SomebodyAnswers(socket_path));
  if (in_use) {
    return absl::FailedPreconditionError(
        fmt::format("another process serves {}; end it first", socket_path));
  }
  if (unlink(socket_path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, fmt::format("remove the stale socket {}", socket_path));
  }
  return absl::OkStatus();
}

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
