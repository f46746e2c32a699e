#include "programs/berth-controller/kubernetes.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "kube/config.h"

namespace berth {
namespace {

std::string EnvironmentOr(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

std::string HostName() {
  std::array<char, 256> name = {};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

StatusOr<std::unique_ptr<KubernetesLoops>> StartKubernetesLoops(
    const std::string& kubeconfig, const Clock& clock,
    const std::shared_ptr<grpc::Channel>& driver) {
  StatusOr<kube::Config> config =
      kubeconfig.empty() ? kube::InClusterConfig()
                         : kube::LoadKubeconfig(kubeconfig, "", std::make_shared<RealClock>());
  if (kubeconfig.empty() && config.status().code() == absl::StatusCode::kNotFound) return nullptr;
  if (!config.ok()) return config.status();

  provisioner::Options options;
  options.instance = EnvironmentOr("POD_NAME", HostName());
  options.lease.emplace();
  options.lease->ns = EnvironmentOr("POD_NAMESPACE", config->default_namespace);

  auto loops = std::make_unique<KubernetesLoops>();
  BERTH_ASSIGN_OR_RETURN(loops->api, kube::Connect(*std::move(config)));
  loops->provisioner =
      std::make_unique<provisioner::Provisioner>(*loops->api, clock, driver, std::move(options));
  BERTH_RETURN_IF_ERROR(loops->provisioner->Start());
  return loops;
}

}  // namespace berth
