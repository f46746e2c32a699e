#include "kube/replica.h"

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace berth::kube {
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

Replica ThisReplica(const Config& config) {
  return {EnvironmentOr("POD_NAMESPACE", config.default_namespace),
          EnvironmentOr("POD_NAME", HostName())};
}

}  // namespace berth::kube
