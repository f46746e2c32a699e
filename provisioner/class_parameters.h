#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kube/core_v1.h"

namespace berth::provisioner {

// For which CSI calls a StorageClass may name a Secret.
enum class SecretUse {
  kProvisioner,
  kControllerPublish,
  kNodeStage,
  kNodePublish,
  kControllerExpand,
  kNodeExpand,
  kControllerModify,
};

struct SecretName {
  std::string ns;
  std::string name;
  bool operator==(const SecretName&) const = default;
};

// A StorageClass's parameters, sorted by who reads them. Keys under "csi.storage.k8s.io/" are for
// the provisioner and do not reach the driver.
struct ClassParameters {
  std::map<std::string, std::string> for_driver;
  std::string fs_type;
  std::map<SecretUse, SecretName> secret_templates;
};

// INVALID_ARGUMENT for an unknown key under "csi.storage.k8s.io/", or a secret's name without its
// namespace (or the other way round): silently ignored, a misspelt key would lose a Secret.
StatusOr<ClassParameters> ParseClassParameters(const std::map<std::string, std::string>& all);

// The Secret for `use`, none when the class names none. In a name the tokens ${pv.name},
// ${pvc.namespace}, ${pvc.name} and ${pvc.annotations['KEY']} are replaced, in a namespace the
// first two only, since whoever writes a claim must not choose a namespace. INVALID_ARGUMENT for
// any other token, an annotation that the claim lacks, or a result that is no valid name.
StatusOr<std::optional<SecretName>> ResolveSecret(const ClassParameters& parameters, SecretUse use,
                                                  std::string_view volume_name,
                                                  const kube::core::PersistentVolumeClaim& claim);

}  // namespace berth::provisioner
