#include "sanity-tests/bench/attach/data_server.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include <csignal>

#include "absl/time/clock.h"

namespace berth {

StatusOr<DataServer> DataServer::Start(const std::string& program, const std::string& socket,
                                       const std::string& clusters) {
  BERTH_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start(
          {program, "--data-socket", socket, "--clusters", clusters, "--log-level", "error"}, {}));
  const auto channel = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(20)))) {
    process.Signal(SIGKILL).IgnoreError();
    process.Wait(absl::InfiniteFuture()).IgnoreError();
    return absl::UnavailableError(program + " does not listen on " + socket);
  }
  return DataServer(std::move(process));
}

DataServer::~DataServer() {
  if (process_.pid() < 0) return;
  process_.Signal(SIGTERM).IgnoreError();
  if (!process_.Wait(absl::Now() + absl::Seconds(20)).ok()) {
    spdlog::warn("berth-data goes on, because a device is still attached");
  }
}

}  // namespace berth
