// berth-controller: the CSI controller services, and the provisioner's loops around them.
#include <csignal>
#include <memory>
#include <string>

#include "base/core_files.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/resident_memory.h"
#include "base/signals.h"
#include "csi/admin/admin_service.h"
#include "csi/controller/controller_service.h"
#include "csi/controller/fence_keeper.h"
#include "csi/controller/trash_sweeper.h"
#include "csi/identity_service.h"
#include "csi/server.h"
#include "programs/berth-controller/kubernetes.h"
#include "rbd/doctor/doctor.h"
#include "rbd/node_fencing.h"

namespace berth {
namespace {

constexpr int64_t kShortestFenceS = int64_t{7} * 24 * 3600;
constexpr int64_t kLongestFenceS = int64_t{100} * 365 * 24 * 3600;  // Ceph takes 32 bits
constexpr absl::Duration kSweepInterval = absl::Minutes(5);
constexpr absl::Duration kMemoryReleaseInterval = absl::Seconds(30);
constexpr absl::Duration kShutdownTimeout = absl::Seconds(10);

struct Options {
  std::string csi_endpoint;
  std::string clusters;
  std::string kubeconfig;
  int ceph_timeout_s = 10;
  int64_t fence_duration_s = kFenceDuration.count();
};

Status Serve(const Options& options, const SignalWaiter& signals) {
  BERTH_ASSIGN_OR_RETURN(const std::string socket, UnixSocketPath(options.csi_endpoint));
  const RealClock clock;
  Connections connections(ClusterDirectory(options.clusters),
                          std::chrono::seconds(options.ceph_timeout_s));
  Volumes volumes(connections, clock);
  const std::chrono::seconds fence_duration(options.fence_duration_s);
  Nodes nodes(connections, clock);
  Publishing publishing(connections, nodes, clock, fence_duration);
  NodeFencing fencing(connections, nodes, publishing, clock);
  TrashSweeper sweeper(connections, volumes, kSweepInterval);
  const FenceKeeper keeper(connections, nodes, clock, fence_duration);
  Doctor doctor({connections, volumes, nodes, clock, fence_duration}, BERTH_VERSION);
  RpcRunner rpcs;
  AdminService admin(rpcs, connections, volumes, fencing, doctor);
  ControllerService controller({rpcs, connections, volumes, publishing, nodes,
                                [&sweeper](const VolumeHandle& volume) { sweeper.Wake(volume); }});
  IdentityService identity(rpcs, BERTH_VERSION,
                           [&] { return connections.clusters().Aliases().status(); });
  BERTH_ASSIGN_OR_RETURN(UnixServer server,
                         UnixServer::Start(socket, {&identity, &controller, &admin}));
  BERTH_ASSIGN_OR_RETURN(
      const std::unique_ptr<KubernetesLoops> kubernetes,
      StartKubernetesLoops(options.kubeconfig, clock, server.InProcessChannel()));
  if (kubernetes == nullptr) {
    LogLine("no --kubeconfig and not in a pod: only the CSI services run")
        .Write(spdlog::level::info);
  }
  LogLine("serving").Field("endpoint", options.csi_endpoint).Write(spdlog::level::info);
  int signal = 0;
  while ((signal = signals.WaitFor(kMemoryReleaseInterval)) == 0) ReleaseUnusedMemory();
  LogLine("ending").Field("signal", signal).Write(spdlog::level::info);
  if (kubernetes != nullptr) kubernetes->provisioner->Stop();
  server.Shutdown(absl::Now() + kShutdownTimeout);
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::KeepSecretsOutOfCoreFiles();
  berth::Flags flags("berth-controller",
                     "CSI controller services of rbd.berth.storage and their provisioner.",
                     BERTH_VERSION);
  berth::Options options;
  flags.AddCsiEndpoint(options.csi_endpoint);
  flags.AddClusters(options.clusters);
  flags.AddKubeconfig(options.kubeconfig);
  flags.app()
      .add_option("--ceph-timeout-s", options.ceph_timeout_s,
                  "how long one Ceph operation may take, in seconds")
      ->check(CLI::Range(1, 300))
      ->capture_default_str();
  flags.app()
      .add_option("--fence-duration-s", options.fence_duration_s,
                  "how long Ceph keeps a client out that may still write, in seconds")
      ->check(CLI::Range(berth::kShortestFenceS, berth::kLongestFenceS))
      ->capture_default_str();
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  const berth::SignalWaiter signals({SIGTERM, SIGINT});
  const berth::Status status = berth::Serve(options, signals);
  if (status.ok()) return 0;
  berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
  return 1;
}
