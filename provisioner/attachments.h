#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/synchronized.h"
#include "kube/controller.h"
#include "provisioner/attachment_plan.h"
#include "provisioner/environment.h"

namespace berth::provisioner {

// The loops that attach and detach volumes as VolumeAttachments ask. Each has its own workers, so
// that hanging attaches hold up no detach, and the other way round.
class Attachments {
 public:
  // Adds handlers to the caches, so this comes before they start.
  Attachments(Environment environment, int attach_workers, int detach_workers);

  void Start();
  void Stop();
  size_t backlog() { return attach_.backlog() + detach_.backlog(); }

 private:
  using Attachment = kube::storage::VolumeAttachment;
  using Volume = kube::core::PersistentVolume;

  void Watch();
  std::vector<std::string> Keys(AttachmentStep step);
  kube::Outcome Reconcile(AttachmentStep mine, const std::string& name);
  Status Attach(const Attachment& attachment);
  Status Detach(const Attachment& attachment);

  // The object as the API server has it, when the cache does not have it yet.
  StatusOr<Volume> VolumeOf(const Attachment& attachment);
  StatusOr<std::string> NodeIdOf(const Attachment& attachment);
  StatusOr<csi::v1::ControllerPublishVolumeResponse> Publish(const Volume& volume,
                                                             const std::string& node_id);
  Status Unpublish(const Volume& volume, const std::string& node_id);
  Status PatchStatus(const Attachment& attachment, const nlohmann::json& status);
  // Writes `error` to the status field `field`; gives it back.
  Status Failed(const Attachment& attachment, const char* field, const Status& error);

  const Environment environment_;
  Synchronized<std::set<std::string>> busy_;  // attachments in work, by either loop
  kube::Controller attach_;
  kube::Controller detach_;
};

}  // namespace berth::provisioner
