#pragma once

#include <string>
#include <vector>

#include "kube/controller.h"
#include "provisioner/environment.h"
#include "provisioner/volume_plan.h"

namespace berth::provisioner {

// The loop that deletes volumes whose claims have gone, and keeps finalizers on the others. Carries
// out what PlanVolume decides.
class Volumes {
 public:
  // Adds handlers to the caches, so this comes before they start.
  Volumes(Environment environment, int workers);

  void Start() { controller_.Start(); }
  void Stop() { controller_.Stop(); }
  size_t backlog() { return controller_.backlog(); }

 private:
  using Volume = kube::core::PersistentVolume;

  std::vector<std::string> Keys();
  kube::Outcome Reconcile(const std::string& name);
  Status Delete(const Volume& volume);
  Status Change(const Volume& volume, const kube::MetadataChange& change);
  // A VolumeFailedDelete event on the object; gives `error` back.
  Status Failed(const Volume& volume, const Status& error);

  const Environment environment_;
  kube::Controller controller_;
};

}  // namespace berth::provisioner
