#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"

namespace berth {

// A gRPC server on a unix socket, with grpc.health.v1.Health beside the services given. The socket
// has mode 0600: who may call decides over the node's volumes. Thread-safe after Start.
class UnixServer {
 public:
  // Serves `services` on `socket_path` (at most 107 bytes; its directory is made, mode 0750, when
  // missing). A socket on which nobody answers is what a killed process left, and is replaced.
  // FAILED_PRECONDITION when somebody answers on it, or when it is not a socket. Call it while no
  // other thread creates files: the process's umask changes for a moment. `services` must outlive
  // the server. A message has at most 4 MiB.
  static StatusOr<UnixServer> Start(const std::string& socket_path,
                                    const std::vector<grpc::Service*>& services);

  UnixServer(UnixServer&&) = default;
  UnixServer& operator=(UnixServer&&) = default;
  ~UnixServer();

  // For callers in the same process: a channel without the socket.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Takes no more calls, waits for those that run up to `deadline`, then cancels them and removes
  // the socket. Bodies that run past their RPC are not waited for. The destructor does it with a
  // deadline of now.
  void Shutdown(absl::Time deadline);

 private:
  UnixServer(std::string socket_path, std::unique_ptr<grpc::Server> server)
      : socket_path_(std::move(socket_path)), server_(std::move(server)) {}

  std::string socket_path_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace berth
