#pragma once

#include <string>

#include "kube/config.h"

namespace berth::kube {

// Who this process is among its replicas: the pod that it runs in ($POD_NAME, $POD_NAMESPACE, as
// the downward API gives them), else the host and the namespace of `config`.
struct Replica {
  std::string ns;
  std::string name;
};
Replica ThisReplica(const Config& config);

}  // namespace berth::kube
