// berth-companion: what StatefulSets need besides storage, a role each.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/resident_memory.h"
#include "base/signals.h"
#include "base/status_server.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/replica.h"
#include "programs/berth-companion/dns_role.h"
#include "programs/berth-companion/statefulset_role.h"

namespace berth {
namespace {

constexpr absl::Duration kMemoryReleaseInterval = absl::Seconds(30);
constexpr absl::Duration kStartingInterval = absl::Seconds(1);

struct Options {
  std::vector<std::string> roles;
  std::string kubeconfig;
  std::string metrics_address;
  std::string cluster_domain = "cluster.local";
  std::string dns_service = "kube-system/kube-dns";
};

StatusOr<kube::Config> ApiConfig(const std::string& kubeconfig) {
  if (kubeconfig.empty()) return kube::InClusterConfig();
  return kube::LoadKubeconfig(kubeconfig, "", std::make_shared<RealClock>());
}

using Roles = std::vector<Role*>;

// The first that is not ready says why.
Status AllReady(const Roles& roles) {
  for (Role* role : roles) BERTH_RETURN_IF_ERROR(role->Ready());
  return absl::OkStatus();
}

StatusServer::Metrics MetricsOf(const Roles& roles) {
  StatusServer::Metrics metrics;
  for (Role* role : roles) metrics.push_back(role->metrics());
  return metrics;
}

// A pod is sent SIGTERM while somebody may still come to it. So it goes on, not ready any more, for
// as long as they may need to learn of it; a second signal ends the wait.
void ServeAsLameDuck(const Roles& roles, const SignalWaiter& signals, std::atomic<bool>& ending) {
  absl::Duration delay = absl::ZeroDuration();
  for (const Role* role : roles) delay = std::max(delay, role->shutdown_delay());
  if (delay == absl::ZeroDuration()) return;
  ending = true;
  LogLine("told to end: not ready any more, but serving")
      .Field("for", absl::FormatDuration(delay))
      .Write(spdlog::level::info);
  signals.WaitFor(delay);
}

// Gives back memory meanwhile: what only starting needed as soon as all is listed, later now and
// then.
int WaitForSignal(const Roles& roles, const SignalWaiter& signals) {
  bool started = false;
  while (true) {
    const int signal = signals.WaitFor(started ? kMemoryReleaseInterval : kStartingInterval);
    if (signal != 0) return signal;
    if (!started) started = AllReady(roles).ok();
    if (started) ReleaseUnusedMemory();
  }
}

Status Serve(const Options& options, const Roles& roles, const SignalWaiter& signals) {
  const RealClock clock;
  std::atomic<bool> ending = false;
  BERTH_ASSIGN_OR_RETURN(kube::Config config, ApiConfig(options.kubeconfig));
  const kube::Replica replica = kube::ThisReplica(config);
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<kube::ApiClient> api,
                         kube::Connect(std::move(config)));
  const RoleContext context{
      *api, clock, replica.ns, replica.name, options.cluster_domain, options.dns_service};
  for (Role* role : roles) BERTH_RETURN_IF_ERROR(role->Start(context));
  std::unique_ptr<StatusServer> status;
  if (!options.metrics_address.empty()) {
    BERTH_ASSIGN_OR_RETURN(
        status, StatusServer::Start(options.metrics_address, MetricsOf(roles), [&roles, &ending] {
          return ending ? absl::UnavailableError("told to end") : AllReady(roles);
        }));
  }
  const int signal = WaitForSignal(roles, signals);
  if (signal == SIGTERM) ServeAsLameDuck(roles, signals, ending);
  LogLine("ending").Field("signal", signal).Write(spdlog::level::info);
  status.reset();
  for (Role* role : roles) role->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("berth-companion", "What StatefulSets need besides storage, a role each.",
                     BERTH_VERSION);
  berth::Options options;
  berth::DnsRole dns;
  berth::StatefulSetRole statefulset;
  const std::map<std::string, berth::Role*> known = {{"dns", &dns}, {"statefulset", &statefulset}};
  flags.app()
      .add_option("--roles", options.roles, "what this process does: dns, statefulset or both")
      ->required()
      ->delimiter(',')
      ->check(CLI::IsMember(known));
  flags.AddKubeconfig(options.kubeconfig);
  flags.AddMetricsAddress(options.metrics_address);
  flags.app()
      .add_option("--cluster-domain", options.cluster_domain, "the cluster's zone")
      ->capture_default_str();
  flags.app()
      .add_option("--dns-service", options.dns_service,
                  "namespace/name of the Service that leads to the cluster's DNS; the zone's name "
                  "server")
      ->capture_default_str();
  for (const auto& [name, role] : known) role->AddFlags(flags.app());
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  berth::Roles roles;
  for (const auto& [name, role] : known) {
    if (std::count(options.roles.begin(), options.roles.end(), name) > 0) roles.push_back(role);
  }
  const berth::SignalWaiter signals({SIGTERM, SIGINT});
  const berth::Status status = berth::Serve(options, roles, signals);
  if (status.ok()) return 0;
  berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
  return 1;
}
