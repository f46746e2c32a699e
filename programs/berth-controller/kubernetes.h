#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "kube/client.h"
#include "provisioner/provisioner.h"

namespace berth {

// The provisioner and the API connection it stands on.
struct KubernetesLoops {
  std::unique_ptr<kube::ApiClient> api;
  std::unique_ptr<provisioner::Provisioner> provisioner;  // after `api`, so that it ends first
};

// Starts the loops around `driver`. `kubeconfig` is a file, or empty: then the pod's service
// account is used; nullptr outside a pod, where only the CSI services run. $POD_NAME and
// $POD_NAMESPACE, when set, name this replica and where its Lease is. INVALID_ARGUMENT or
// FAILED_PRECONDITION for a configuration that cannot work.
StatusOr<std::unique_ptr<KubernetesLoops>> StartKubernetesLoops(
    const std::string& kubeconfig, const Clock& clock,
    const std::shared_ptr<grpc::Channel>& driver);

}  // namespace berth
