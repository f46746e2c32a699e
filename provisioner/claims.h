#pragma once

#include <string>
#include <vector>

#include "kube/controller.h"
#include "provisioner/claim_plan.h"
#include "provisioner/environment.h"

namespace berth::provisioner {

// The loop from PersistentVolumeClaims to PersistentVolumes. Carries out what PlanClaim decides.
class Claims {
 public:
  // `identity` names this provisioner in the volumes it writes. Handlers are added to the caches,
  // so this comes before they start.
  Claims(Environment environment, std::string identity, int workers);

  void Start() { controller_.Start(); }
  void Stop() { controller_.Stop(); }
  size_t backlog() { return controller_.backlog(); }

 private:
  using Claim = kube::core::PersistentVolumeClaim;
  using StorageClass = kube::storage::StorageClass;

  void Watch();
  std::vector<std::string> Keys();
  kube::Outcome Reconcile(const std::string& key);
  kube::Outcome Begin(const Claim& claim, const StorageClass& storage_class);
  kube::Outcome Create(const Claim& claim, const StorageClass& storage_class, const Intent& intent);
  kube::Outcome Finish(const Claim& claim, const StorageClass& storage_class, const Intent& intent,
                       const csi::v1::Volume& volume);
  kube::Outcome Undo(const Claim& claim, const Intent& intent);
  Status Release(const Claim& claim);

  Status Store(const kube::core::PersistentVolume& volume);
  Status DeleteVolume(const Intent& intent, const std::string& volume_id);
  // A ProvisioningFailed event on the claim; gives `error` back.
  Status Failed(const Claim& claim, const Status& error);

  const Environment environment_;
  const std::string identity_;
  kube::Controller controller_;
};

}  // namespace berth::provisioner
