#include "provisioner/environment.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <vector>

namespace berth::provisioner {
namespace {

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

}  // namespace

Caches::Caches(kube::ApiClient& client, const std::function<void(const Status&)>& on_error)
    : claims(client, {.indexes = {{kByClass, ClassOfUnboundClaim}}, .on_error = on_error}),
      volumes(client, {.on_error = on_error}),
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
