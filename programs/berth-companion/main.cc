// berth-companion: what StatefulSets need besides storage, a role each.
#include <atomic>
#include <csignal>
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
#include "programs/berth-companion/dns_role.h"

namespace berth {
namespace {

constexpr absl::Duration kMemoryReleaseInterval = absl::Seconds(30);

struct Options {
  std::vector<std::string> roles;
  std::string kubeconfig;
  std::string metrics_address;
};

StatusOr<kube::Config> ApiConfig(const std::string& kubeconfig) {
  if (kubeconfig.empty()) return kube::InClusterConfig();
  return kube::LoadKubeconfig(kubeconfig, "", std::make_shared<RealClock>());
}

// A pod is sent SIGTERM while nodes still direct questions to it. So it goes on answering, not
// ready any more, for as long as they may need to learn of it; a second signal ends the wait.
void ServeAsLameDuck(const DnsRole& dns, const SignalWaiter& signals, std::atomic<bool>& ending) {
  ending = true;
  LogLine("told to end: not ready any more, but answering")
      .Field("for", absl::FormatDuration(dns.shutdown_delay()))
      .Write(spdlog::level::info);
  signals.WaitFor(dns.shutdown_delay());
}

Status Serve(const Options& options, DnsRole& dns, const SignalWaiter& signals) {
  const RealClock clock;
  std::atomic<bool> ending = false;
  BERTH_ASSIGN_OR_RETURN(kube::Config config, ApiConfig(options.kubeconfig));
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<kube::ApiClient> api,
                         kube::Connect(std::move(config)));
  BERTH_RETURN_IF_ERROR(dns.Start(*api, clock));
  std::unique_ptr<StatusServer> status;
  if (!options.metrics_address.empty()) {
    BERTH_ASSIGN_OR_RETURN(
        status, StatusServer::Start(options.metrics_address, dns.metrics(), [&dns, &ending] {
          return ending ? absl::UnavailableError("told to end") : dns.Ready();
        }));
  }
  int signal = 0;
  while ((signal = signals.WaitFor(kMemoryReleaseInterval)) == 0) ReleaseUnusedMemory();
  if (signal == SIGTERM) ServeAsLameDuck(dns, signals, ending);
  LogLine("ending").Field("signal", signal).Write(spdlog::level::info);
  status.reset();
  dns.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("berth-companion", "What StatefulSets need besides storage, a role each.",
                     BERTH_VERSION);
  berth::Options options;
  berth::DnsRole dns;
  flags.app()
      .add_option("--roles", options.roles, "what this process does; today: dns")
      ->required()
      ->delimiter(',')
      ->check(CLI::IsMember({"dns"}));
  flags.AddKubeconfig(options.kubeconfig);
  flags.AddMetricsAddress(options.metrics_address);
  dns.AddFlags(flags.app());
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  const berth::SignalWaiter signals({SIGTERM, SIGINT});
  const berth::Status status = berth::Serve(options, dns, signals);
  if (status.ok()) return 0;
  berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
  return 1;
}
