#include "companion/statefulset/environment.h"

#include "companion/statefulset/labels.h"

namespace berth::statefulset {
namespace {

constexpr char kByController[] = "controller";  // by its uid
constexpr char kOrphans[] = "orphans";          // without a controller, by namespace
constexpr char kByNamespace[] = "namespace";

template <typename T>
std::vector<std::string> ControllerUid(const T& object) {
  for (const kube::meta::OwnerReference& owner : object.metadata().ownerreferences()) {
    if (owner.controller()) return {owner.uid()};
  }
  return {};
}

template <typename T>
std::vector<std::string> NamespaceOfOrphan(const T& object) {
  if (!ControllerUid(object).empty()) return {};
  return {object.metadata().namespace_()};
}

template <typename T>
typename kube::Informer<T>::Options OwnedObjects(
    const std::function<void(T&)>& trim, const std::function<void(const Status&)>& on_error) {
  return {.trim = trim,
          .indexes = {{kByController, ControllerUid<T>}, {kOrphans, NamespaceOfOrphan<T>}},
          .on_error = on_error};
}

// DaemonSets have revisions, too.
void TrimRevision(kube::apps::ControllerRevision& revision) {
  for (const kube::meta::OwnerReference& owner : revision.metadata().ownerreferences()) {
    if (owner.controller() && owner.kind() != kAppsStatefulSets.kind) revision.clear_data();
  }
}

template <typename T>
std::optional<Cached> Find(kube::Informer<T>& informer, const kube::ObjectKey& key) {
  const auto object = informer.Get(key);
  if (object == nullptr) return std::nullopt;
  return Cached{object->metadata().uid(), object->metadata().resourceversion(),
                object->metadata().has_deletiontimestamp()};
}

template <typename T>
bool IsShownBy(kube::Informer<T>& informer, const Write& write, const std::string& ns) {
  const bool reached =
      write.kind == Write::Kind::kStored && informer.HasReached(write.resource_version);
  return IsShown(write, Find(informer, {ns, write.name}), reached);
}

}  // namespace

Caches::Caches(kube::ApiClient& client, const std::function<void(const Status&)>& on_error)
    : pods(client,
           OwnedObjects<kube::core::Pod>([](kube::core::Pod& pod) { Trim(pod); }, on_error)),
      claims(client, {.trim = [](kube::core::PersistentVolumeClaim& claim) { Trim(claim); },
                      .indexes = {{kByNamespace,
                                   [](const kube::core::PersistentVolumeClaim& claim) {
                                     return std::vector<std::string>{claim.metadata().namespace_()};
                                   }}},
                      .on_error = on_error}),
      revisions(client, OwnedObjects<kube::apps::ControllerRevision>(TrimRevision, on_error)) {}

void Caches::Start() {
  pods.Start();
  claims.Start();
  revisions.Start();
}

Status Caches::WaitForSync(absl::Time deadline) {
  BERTH_RETURN_IF_ERROR(pods.WaitForSync(deadline));
  BERTH_RETURN_IF_ERROR(claims.WaitForSync(deadline));
  return revisions.WaitForSync(deadline);
}

void Caches::Stop() {
  pods.Stop();
  claims.Stop();
  revisions.Stop();
}

std::vector<Caches::Pod> Caches::PodsOf(const std::string& controller_uid) {
  return pods.ByIndex(kByController, controller_uid);
}

std::vector<Caches::Pod> Caches::OrphanedPods(const std::string& ns) {
  return pods.ByIndex(kOrphans, ns);
}

std::vector<Caches::Revision> Caches::RevisionsOf(const std::string& controller_uid) {
  return revisions.ByIndex(kByController, controller_uid);
}

std::vector<Caches::Revision> Caches::OrphanedRevisions(const std::string& ns) {
  return revisions.ByIndex(kOrphans, ns);
}

ClaimsByName Caches::ClaimsOf(const std::string& ns) {
  ClaimsByName observed;
  for (const auto& claim : claims.ByIndex(kByNamespace, ns)) {
    observed.emplace(claim->metadata().name(), Observe(*claim));
  }
  return observed;
}

bool Caches::Shows(const Write& write, const std::string& ns) {
  switch (write.object) {
    case Write::Object::kPod:
      return IsShownBy(pods, write, ns);
    case Write::Object::kClaim:
      return IsShownBy(claims, write, ns);
    case Write::Object::kRevision:
      return IsShownBy(revisions, write, ns);
  }
  return true;
}

}  // namespace berth::statefulset
