#include "programs/berth-controller/kubernetes.h"

#include <utility>

#include "kube/config.h"
#include "kube/replica.h"

namespace berth {
StatusOr<std::unique_ptr<KubernetesLoops>> StartKubernetesLoops(
    const std::string& kubeconfig, const Clock& clock,
    const std::shared_ptr<grpc::Channel>& driver) {
  StatusOr<kube::Config> config =
      kubeconfig.empty() ? kube::InClusterConfig()
                         : kube::LoadKubeconfig(kubeconfig, "", std::make_shared<RealClock>());
  if (kubeconfig.empty() && config.status().code() == absl::StatusCode::kNotFound) return nullptr;
  if (!config.ok()) return config.status();

  provisioner::Options options;
  const kube::Replica replica = kube::ThisReplica(*config);
  options.instance = replica.name;
  options.lease.emplace();
  options.lease->ns = replica.ns;

  auto loops = std::make_unique<KubernetesLoops>();
  BERTH_ASSIGN_OR_RETURN(loops->api, kube::Connect(*std::move(config)));
  loops->provisioner =
      std::make_unique<provisioner::Provisioner>(*loops->api, clock, driver, std::move(options));
  BERTH_RETURN_IF_ERROR(loops->provisioner->Start());
  return loops;
}

}  // namespace berth
