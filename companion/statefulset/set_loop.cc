#include "companion/statefulset/set_loop.h"

#include <algorithm>
#include <utility>

#include "companion/statefulset/actor.h"
#include "companion/statefulset/ownership.h"
#include "companion/statefulset/revisions.h"
#include "companion/statefulset/status.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using kube::Outcome;

constexpr char kByNamespace[] = "namespace";
// Events say when our writes are in the copies; this is for one that a broken watch swallowed.
constexpr absl::Duration kLookAgain = absl::Seconds(10);

kube::Controller::Options LoopOptions(const SetLoop::Options& options) {
  kube::Controller::Options loop;
  loop.name = options.resource.ApiVersion() + " StatefulSets";
  loop.workers = options.workers;
  loop.queue.base_delay = absl::Milliseconds(50);
  loop.queue.max_delay = absl::Minutes(1);
  return loop;
}

kube::Informer<kube::JsonObject>::Options InformerOptions(const SetLoop::Options& options) {
  return {.trim =
              [arrival = options.on_arrival](kube::JsonObject& set) {
                if (arrival) arrival(set);
                kube::DropManagedFields(set);
              },
          .keep_managed_fields = true,
          .indexes = {{kByNamespace,
                       [](const kube::JsonObject& set) {
                         return std::vector<std::string>{set.metadata().namespace_()};
                       }}},
          .on_error = options.on_error};
}

const kube::meta::OwnerReference* ControllerOf(const kube::meta::ObjectMeta& metadata) {
  for (const kube::meta::OwnerReference& owner : metadata.ownerreferences()) {
    if (owner.controller()) return &owner;
  }
  return nullptr;
}

bool HasGate(const StatefulSet& set) {
  const auto& gates = kube::Member(kube::Member(set.pod_template, "spec"), "schedulingGates");
  return std::any_of(gates.begin(), gates.end(), [](const nlohmann::json& gate) {
    return kube::TextIn(gate, "name") == kTurnGate;
  });
}

bool AsksForHelp(const StatefulSet& set) {
  return set.options.claims_ahead || set.options.replace_stuck ||
         !set.options.claim_bytes.empty() || HasGate(set);
}

Outcome After(const Status& status, const Plan& plan, absl::Time now) {
  // What an object's state forbids, its change allows, and that is an event.
  if (status.code() == absl::StatusCode::kFailedPrecondition) return {status, kLookAgain};
  if (!status.ok() || plan.again == absl::InfiniteFuture()) return status;
  return {status, std::max(plan.again - now, absl::Milliseconds(1))};
}

}  // namespace

SetLoop::SetLoop(const Environment& environment, Options options)
    : environment_(environment),
      options_(std::move(options)),
      sets_(environment.api, options_.resource, InformerOptions(options_)),
      controller_(
          environment.clock, LoopOptions(options_), [this] { return Keys(); },
          [this](const std::string& key) { return Reconcile(key); }) {
  Watch();
}

void SetLoop::Start() {
  // What another replica did since is not among our writes, but it is in the copies.
  memories_.Lock()->clear();
  controller_.Start();
}

void SetLoop::Stop() { controller_.Stop(); }

// ---- which sets a change is about

void SetLoop::Watch() {
  sets_.AddHandler([this](const auto& change) { controller_.Enqueue(change.key().String()); });
  environment_.caches.pods.AddHandler(
      [this](const auto& change) { OnOwned<kube::core::Pod>(change); });
  environment_.caches.revisions.AddHandler(
      [this](const auto& change) { OnOwned<kube::apps::ControllerRevision>(change); });
  environment_.caches.claims.AddHandler(
      [this](const auto& change) { EnqueueClaimant(change.key()); });
}

template <typename T>
void SetLoop::OnOwned(const typename kube::Informer<T>::Change& change) {
  if (change.before != nullptr) EnqueueOwner(change.before->metadata());
  if (change.after == nullptr) return;
  EnqueueOwner(change.after->metadata());
  if (ControllerOf(change.after->metadata()) == nullptr) EnqueueAdopters(change.after->metadata());
}

void SetLoop::EnqueueOwner(const kube::meta::ObjectMeta& metadata) {
  const kube::meta::OwnerReference* owner = ControllerOf(metadata);
  if (owner == nullptr || owner->kind() != options_.resource.kind ||
      owner->apiversion() != options_.resource.ApiVersion()) {
    return;
  }
  controller_.Enqueue(kube::ObjectKey{metadata.namespace_(), owner->name()}.String());
}

void SetLoop::EnqueueAdopters(const kube::meta::ObjectMeta& metadata) {
  if (options_.mode != Mode::kOwn) return;
  const kube::Labels labels = {metadata.labels().begin(), metadata.labels().end()};
  for (const auto& object : sets_.ByIndex(kByNamespace, metadata.namespace_())) {
    const auto selector =
        kube::LabelSelector::Parse(kube::Member(kube::Member(object->body(), "spec"), "selector"));
    if (selector.ok() && selector->Matches(labels)) {
      controller_.Enqueue(kube::KeyOf(*object).String());
    }
  }
}

// By its name, <template>-<set>-<ordinal>: a claim need not have an owner.
void SetLoop::EnqueueClaimant(const kube::ObjectKey& claim) {
  for (const auto& object : sets_.ByIndex(kByNamespace, claim.ns)) {
    const std::string middle = "-" + object->metadata().name() + "-";
    if (claim.name.find(middle) != std::string::npos) {
      controller_.Enqueue(kube::KeyOf(*object).String());
    }
  }
}

std::vector<std::string> SetLoop::Keys() {
  std::vector<std::string> keys;
  for (const auto& set : sets_.List()) keys.push_back(kube::KeyOf(*set).String());
  return keys;
}

// ---- one set

Outcome SetLoop::Reconcile(const std::string& key) {
  Sets::Object object = sets_.Get(kube::ObjectKey::Parse(key));
  if (object == nullptr) {
    memories_.Lock()->erase(key);
    return absl::OkStatus();
  }
  if (options_.ignore && options_.ignore(*object)) return absl::OkStatus();
  const std::shared_ptr<Memory> memory = Remember(key, object->metadata().uid());
  object = memory->Newest(std::move(object));
  const StatusOr<StatefulSet> set = ReadStatefulSet(options_.resource, *object);
  if (!set.ok()) {
    StatefulSet unreadable;
    unreadable.resource = options_.resource;
    unreadable.key = kube::KeyOf(*object);
    unreadable.uid = object->metadata().uid();
    environment_.events.Record(unreadable.Reference(), kube::EventType::kWarning, "InvalidSpec",
                               std::string(set.status().message()));
    return absl::OkStatus();  // nothing to try before it changes
  }
  const bool shown = memory->expectations.Lock()->Met(
      [&](const Write& write) { return environment_.caches.Shows(write, set->key.ns); });
  if (!shown) return {absl::OkStatus(), kLookAgain};
  return options_.mode == Mode::kOwn ? Own(*set, *memory) : Beside(*set, *memory);
}

Outcome SetLoop::Own(const StatefulSet& set, Memory& memory) {
  // The garbage collector ends its pods.
  if (set.terminating) return absl::OkStatus();
  StatusOr<std::vector<ObservedRevision>> known = ClaimRevisions(environment_, set);
  if (!known.ok()) return known.status();
  StatusOr<std::vector<ObservedPod>> pods = ClaimPods(environment_, set);
  if (!pods.ok()) return pods.status();
  LookUpNames(set, *pods);
  const StatusOr<Revisions> revisions =
      SyncRevisions(environment_, set, *std::move(known), memory.expectations);
  if (!revisions.ok()) return revisions.status();

  const absl::Time now = environment_.clock.Now();
  const Plan plan = PlanPods(set, revisions->names, revisions->collision_count, *pods,
                             environment_.caches.ClaimsOf(set.key.ns), now);
  Status done = Actor(environment_, set, revisions->templates, memory.expectations).CarryOut(plan);
  if (const Status written = WriteStatus(set, plan, done, memory); done.ok()) done = written;
  if (done.ok()) done = TruncateHistory(environment_, set, *revisions, *pods, memory.expectations);
  return After(done, plan, now);
}

Outcome SetLoop::Beside(const StatefulSet& set, Memory& memory) {
  if (!AsksForHelp(set)) return absl::OkStatus();
  std::vector<ObservedPod> pods;
  for (const Caches::Pod& pod : environment_.caches.PodsOf(set.uid)) {
    const std::optional<int> ordinal = set.OrdinalOf(pod->metadata().name());
    if (ordinal) pods.push_back(Observe(*pod, *ordinal));
  }
  LookUpNames(set, pods);
  const absl::Time now = environment_.clock.Now();
  const Plan plan = PlanBeside(set, pods, environment_.caches.ClaimsOf(set.key.ns), now);
  return After(Actor(environment_, set, {}, memory.expectations).CarryOut(plan), plan, now);
}

std::shared_ptr<SetLoop::Memory> SetLoop::Remember(const std::string& key, const std::string& uid) {
  auto memories = memories_.Lock();
  std::shared_ptr<Memory>& memory = (*memories)[key];
  if (memory == nullptr || memory->uid != uid) memory = std::make_shared<Memory>(uid);
  return memory;
}

SetLoop::Sets::Object SetLoop::Memory::Newest(Sets::Object cached) {
  auto last = written.Lock();
  if (*last != nullptr &&
      kube::IsOlder(cached->metadata().resourceversion(), (*last)->metadata().resourceversion())) {
    return *last;
  }
  last->reset();
  return cached;
}

void SetLoop::LookUpNames(const StatefulSet& set, std::vector<ObservedPod>& pods) {
  if (!set.options.wait_for_names || !options_.name_is_served) return;
  for (ObservedPod& pod : pods) {
    if (pod.terminating || !pod.running_and_ready()) continue;
    pod.name_served = options_.name_is_served(set, pod);
  }
}

Status SetLoop::WriteStatus(const StatefulSet& set, const Plan& plan, const Status& outcome,
                            Memory& memory) {
  const nlohmann::json patch = StatusPatch(set, plan, outcome, environment_.clock.Now());
  if (patch.is_null()) return absl::OkStatus();
  StatusOr<kube::JsonObject> written = environment_.api.PatchJson(
      options_.resource, set.key, kube::PatchType::kMerge, patch, "status");
  if (absl::IsNotFound(written.status())) return absl::OkStatus();
  if (!written.ok()) return written.status();
  kube::DropManagedFields(*written);
  *memory.written.Lock() = std::make_shared<const kube::JsonObject>(*std::move(written));
  return absl::OkStatus();
}

}  // namespace berth::statefulset
