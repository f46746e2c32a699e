#include "provisioner/environment.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <vector>

#include "kube/json_patch.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using kube::core::PersistentVolume;
using kube::core::PersistentVolumeClaim;
using kube::storage::VolumeAttachment;

std::vector<std::string> ClassOfUnboundClaim(const PersistentVolumeClaim& claim) {
  if (!claim.spec().volumename().empty()) return {};
  return {claim.spec().storageclassname()};
}

std::vector<std::string> VolumeOfAttachment(const VolumeAttachment& attachment) {
  return {attachment.spec().source().persistentvolumename()};
}

std::vector<std::string> NodeOfUnattached(const VolumeAttachment& attachment) {
  if (attachment.status().attached()) return {};
  return {attachment.spec().nodename()};
}

// Claims are many, and of one that is bound and done with only its name is looked at.
void TrimClaim(PersistentVolumeClaim& claim) {
  const std::string phase = claim.status().phase();
  claim.mutable_status()->Clear();
  claim.mutable_status()->set_phase(phase);
  claim.mutable_metadata()->clear_labels();
  claim.mutable_metadata()->clear_ownerreferences();
  if (claim.spec().volumename().empty() ||
      kube::HasFinalizer(claim.metadata(), kProvisioningFinalizer)) {
    return;
  }
  claim.mutable_metadata()->clear_annotations();
  claim.mutable_spec()->clear_accessmodes();
  claim.mutable_spec()->clear_resources();
}

// Attaching needs the source, deletion the two annotations; all else is for others to read.
void TrimVolume(PersistentVolume& volume) {
  const std::string phase = volume.status().phase();
  volume.mutable_status()->Clear();
  volume.mutable_status()->set_phase(phase);
  kube::core::PersistentVolumeSpec& spec = *volume.mutable_spec();
  if (!spec.persistentvolumesource().has_csi()) spec.clear_persistentvolumesource();
  spec.clear_capacity();
  spec.clear_nodeaffinity();
  volume.mutable_metadata()->clear_labels();
  google::protobuf::Map<std::string, std::string> kept;
  for (const char* name : {kDeletionSecretName, kDeletionSecretNamespace}) {
    const std::string value = kube::Annotation(volume.metadata(), name);
    if (!value.empty()) kept[name] = value;
  }
  volume.mutable_metadata()->mutable_annotations()->swap(kept);
}

}  // namespace

Caches::Caches(kube::ApiClient& client, const std::function<void(const Status&)>& on_error)
    : claims(
          client,
          {.trim = TrimClaim, .indexes = {{kByClass, ClassOfUnboundClaim}}, .on_error = on_error}),
      volumes(client, {.trim = TrimVolume, .on_error = on_error}),
      classes(client, {.on_error = on_error}),
      attachments(client,
                  {.indexes = {{kByVolume, VolumeOfAttachment}, {kByNode, NodeOfUnattached}},
                   .on_error = on_error}),
      nodes(client, {.on_error = on_error}) {}

void Caches::Start() {
  claims.Start();
  volumes.Start();
  classes.Start();
  attachments.Start();
  nodes.Start();
}

Status Caches::WaitForSync(absl::Time deadline) {
  BERTH_RETURN_IF_ERROR(claims.WaitForSync(deadline));
  BERTH_RETURN_IF_ERROR(volumes.WaitForSync(deadline));
  BERTH_RETURN_IF_ERROR(classes.WaitForSync(deadline));
  BERTH_RETURN_IF_ERROR(attachments.WaitForSync(deadline));
  return nodes.WaitForSync(deadline);
}

void Caches::Stop() {
  claims.Stop();
  volumes.Stop();
  classes.Stop();
  attachments.Stop();
  nodes.Stop();
}

StatusOr<Secret> ReadSecret(kube::ApiClient& api, const std::optional<SecretName>& name) {
  Secret content;
  if (!name) return content;
  const StatusOr<kube::core::Secret> secret = api.Get<kube::core::Secret>({name->ns, name->name});
  if (absl::IsPermissionDenied(secret.status())) {
    return Annotate(
        secret.status(),
        fmt::format("Secret {0}/{1} may not be read: bind a Role in namespace \"{0}\" "
                    "that allows get on secrets \"{1}\" to the driver's service account",
                    name->ns, name->name));
  }
  if (!secret.ok()) {
    return Annotate(secret.status(), fmt::format("Secret {}/{}", name->ns, name->name));
  }
  for (const auto& [key, value] : secret->data()) content[key] = value;
  return content;
}

std::optional<SecretName> SecretOf(const kube::core::SecretReference& reference) {
  if (reference.name().empty()) return std::nullopt;
  return SecretName{reference.namespace_(), reference.name()};
}

}  // namespace berth::provisioner
