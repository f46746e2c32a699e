#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/event_recorder.h"
#include "kube/informer.h"
#include "kube/storage_v1.h"
#include "provisioner/class_parameters.h"
#include "provisioner/csi_driver.h"

namespace berth::provisioner {

// Local copies of what the loops look at.
struct Caches {
  // Index names.
  static constexpr char kByClass[] = "class";    // claims without a volume, by StorageClass
  static constexpr char kByVolume[] = "volume";  // attachments, by PersistentVolume
  static constexpr char kByNode[] = "node";      // attachments that are not attached, by node

  // Told of each failed list or watch.
  Caches(kube::ApiClient& client, const std::function<void(const Status&)>& on_error);
  void Start();
  // OK once all are synced; else DEADLINE_EXCEEDED says which one is not, and why.
  Status WaitForSync(absl::Time deadline);
  void Stop();

  kube::Informer<kube::core::PersistentVolumeClaim> claims;
  kube::Informer<kube::core::PersistentVolume> volumes;
  kube::Informer<kube::storage::StorageClass> classes;
  kube::Informer<kube::storage::VolumeAttachment> attachments;
  kube::Informer<kube::storage::CSINode> nodes;
};

// What the loops act on. All of it outlives them and is thread-safe.
struct Environment {
  kube::ApiClient& api;
  CsiDriver& driver;
  Caches& caches;
  kube::EventRecorder& events;
  const Clock& clock;
};

using Secret = google::protobuf::Map<std::string, std::string>;

// The content of the Secret `name`, empty for no name. PERMISSION_DENIED says which Role binding
// is missing.
StatusOr<Secret> ReadSecret(kube::ApiClient& api, const std::optional<SecretName>& name);

// The Secret that `reference` names, none when it is empty.
std::optional<SecretName> SecretOf(const kube::core::SecretReference& reference);

}  // namespace berth::provisioner
