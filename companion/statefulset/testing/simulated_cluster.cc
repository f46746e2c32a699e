#include "companion/statefulset/testing/simulated_cluster.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "companion/statefulset/labels.h"
#include "companion/statefulset/objects.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

constexpr size_t kNotesShown = 60;

json ClaimTemplate(const std::string& name) {
  return {{"metadata", {{"name", name}}},
          {"spec", {{"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
}

std::string_view ReasonName(Action::Reason reason) {
  switch (reason) {
    case Action::Reason::kFailed:
      return "failed";
    case Action::Reason::kSucceeded:
      return "succeeded";
    case Action::Reason::kScaledDown:
      return "scaled down";
    case Action::Reason::kUpdate:
      return "update";
    case Action::Reason::kStuck:
      return "stuck";
  }
  return "";
}

}  // namespace

SimulatedCluster::SimulatedCluster(uint64_t seed) : random_(seed) {
  set_.resource = kBerthStatefulSets;
  set_.key = {"sim", "web"};
  set_.uid = "set-uid";
  set_.generation = 1;
  set_.pod_template = {{"metadata", {{"labels", {{"app", "web"}}}}}, {"spec", json::object()}};
  set_.selector = *kube::LabelSelector::Parse({{"matchLabels", {{"app", "web"}}}});
  std::set<int> reserved;
  if (Chance(0.3)) reserved = {Below(4), Below(6)};
  set_.ordinals = Ordinals(Chance(0.3) ? Below(4) : 0, Below(6), reserved);
  if (Chance(0.4)) set_.pod_management = PodManagement::kParallel;
  if (Chance(0.15)) set_.update_strategy = UpdateStrategy::kOnDelete;
  if (Chance(0.8)) set_.partition = Chance(0.3) ? Below(5) : 0;
  set_.max_unavailable = 1 + Below(3);
  if (Chance(0.3)) set_.min_ready_seconds = 10;
  set_.retention = {Chance(0.3), Chance(0.3)};
  set_.options.claims_ahead = Chance(0.2);
  set_.options.replace_stuck = Chance(0.3);
  for (int i = Below(3); i > 0; --i) {
    set_.claim_templates.push_back(ClaimTemplate("data" + std::to_string(i)));
  }
  revisions_ = {"web-1", "web-1"};
}

bool SimulatedCluster::Chance(double probability) {
  return std::uniform_real_distribution<>(0, 1)(random_) < probability;
}

int SimulatedCluster::Below(int limit) {
  return std::uniform_int_distribution<>(0, limit - 1)(random_);
}

void SimulatedCluster::Note(const std::string& what) { notes_.push_back(what); }

void SimulatedCluster::Fail(const std::string& what) {
  if (!failure_.empty()) return;
  const size_t first = notes_.size() > kNotesShown ? notes_.size() - kNotesShown : 0;
  const std::vector<std::string> last(notes_.begin() + static_cast<std::ptrdiff_t>(first),
                                      notes_.end());
  failure_ = fmt::format("{}\nafter:\n{}", what, absl::StrJoin(last, "\n"));
}

std::vector<ObservedPod> SimulatedCluster::PodsOf(const Objects& objects) const {
  std::vector<ObservedPod> pods;
  for (const auto& [name, pod] : objects.pods) pods.push_back(pod.state);
  return pods;
}

// ---- API server

void SimulatedCluster::StorePod(const ObservedPod& pod) {
  const Pod stored{pod, ++version_};
  truth_.pods[pod.name] = stored;
  events_.push_back([stored](Objects& cache) {
    cache.pods[stored.state.name] = stored;
    cache.pods_version = stored.version;
  });
}

void SimulatedCluster::ForgetUpdated() {
  std::erase_if(updating_, [&](const std::string& name) {
    const auto pod = truth_.pods.find(name);
    return pod != truth_.pods.end() && !pod->second.state.terminating &&
           pod->second.state.available(set_, now_);
  });
}

void SimulatedCluster::RemovePod(const std::string& name) {
  truth_.pods.erase(name);
  events_.push_back([name, version = ++version_](Objects& cache) {
    cache.pods.erase(name);
    cache.pods_version = version;
  });
}

void SimulatedCluster::StoreClaim(const ObservedClaim& claim) {
  const Claim stored{claim, ++version_};
  truth_.claims[claim.name] = stored;
  events_.push_back([stored](Objects& cache) {
    cache.claims[stored.state.name] = stored;
    cache.claims_version = stored.version;
  });
}

void SimulatedCluster::RemoveClaim(const std::string& name) {
  truth_.claims.erase(name);
  events_.push_back([name, version = ++version_](Objects& cache) {
    cache.claims.erase(name);
    cache.claims_version = version;
  });
}

void SimulatedCluster::Deliver(int events) {
  for (; events > 0 && !events_.empty(); --events) {
    events_.front()(cache_);
    events_.pop_front();
  }
}

// ---- everybody else

void SimulatedCluster::Step() {
  if (!failure_.empty()) return;
  const int what = Below(100);
  if (what < 30) {
    Sync();
  } else if (what < 55) {
    Deliver(1 + Below(4));
  } else if (what < 85) {
    Kubelet();
  } else if (what < 90) {
    CollectGarbage();
  } else if (what < 95) {
    Disturb();
  } else if (what < 97) {
    ChangeSpec();
  } else if (what < 98) {
    Note("the controller is started anew");
    expectations_ = {};
    Deliver(static_cast<int>(events_.size()));
  } else {
    now_ += absl::Seconds(Below(8));
  }
  ForgetUpdated();
}

void SimulatedCluster::Kubelet() {
  if (truth_.pods.empty()) return;
  auto chosen = truth_.pods.begin();
  std::advance(chosen, Below(static_cast<int>(truth_.pods.size())));
  ObservedPod pod = chosen->second.state;
  if (pod.terminating) {
    Note("gone: " + pod.name);
    RemovePod(pod.name);
    return;
  }
  const bool mounts =
      std::all_of(pod.claim_of_volume.begin(), pod.claim_of_volume.end(), [&](const auto& volume) {
        const auto claim = truth_.claims.find(volume.second);
        return claim != truth_.claims.end() && !claim->second.state.terminating;
      });
  const bool worse = !calm_ && Chance(0.15);
  if (pod.phase == PodPhase::kPending && mounts) {
    pod.phase = worse ? PodPhase::kFailed : PodPhase::kRunning;
  } else if (pod.phase == PodPhase::kRunning && !pod.ready && !worse) {
    pod.ready = true;
    pod.ready_since = now_;
  } else if (pod.phase == PodPhase::kRunning && worse) {
    pod.ready = false;
    if (Chance(0.5)) pod.phase = Chance(0.5) ? PodPhase::kFailed : PodPhase::kSucceeded;
  } else {
    return;
  }
  Note(fmt::format("kubelet: {} phase {} ready {}", pod.name, static_cast<int>(pod.phase),
                   pod.ready));
  StorePod(pod);
}

void SimulatedCluster::CollectGarbage() {
  std::set<std::string> alive = {set_.uid};
  std::set<std::string> mounted;  // by pods that have started: the API protects these
  for (const auto& [name, pod] : truth_.pods) {
    alive.insert(pod.state.uid);
    if (pod.state.phase == PodPhase::kPending) continue;
    for (const auto& [volume, claim] : pod.state.claim_of_volume) mounted.insert(claim);
  }
  const std::map<std::string, Claim> claims = truth_.claims;
  for (const auto& [name, claim] : claims) {
    const auto& owners = claim.state.owners;
    const bool owned = std::any_of(owners.begin(), owners.end(),
                                   [&](const Owner& owner) { return alive.contains(owner.uid); });
    if (!claim.state.terminating && (owners.empty() || owned)) continue;
    if (mounted.contains(name)) continue;
    if (!claim.state.terminating && !set_.retention.delete_when_scaled &&
        !set_.retention.delete_when_deleted) {
      Fail("a retained claim was left to the garbage collector: " + name);
    }
    Note("garbage: " + name);
    RemoveClaim(name);
  }
}

void SimulatedCluster::Disturb() {
  if (Chance(0.15) && !truth_.claims.empty()) {
    auto chosen = truth_.claims.begin();
    std::advance(chosen, Below(static_cast<int>(truth_.claims.size())));
    ObservedClaim claim = chosen->second.state;
    claim.terminating = true;
    Note("somebody deletes claim " + claim.name);
    StoreClaim(claim);
    return;
  }
  if (truth_.pods.empty()) return;
  auto chosen = truth_.pods.begin();
  std::advance(chosen, Below(static_cast<int>(truth_.pods.size())));
  ObservedPod pod = chosen->second.state;
  if (Chance(0.2)) {
    Note("somebody removes " + pod.name);
    RemovePod(pod.name);
  } else if (Chance(0.2)) {
    Note("somebody cuts the labels of " + pod.name);
    pod.labels.erase(kPodNameLabel);
    StorePod(pod);
  } else {
    Note("somebody evicts " + pod.name);
    pod.terminating = true;
    StorePod(pod);
  }
}

void SimulatedCluster::ChangeSpec() {
  ++set_.generation;
  switch (Below(3)) {
    case 0:
      set_.ordinals = Ordinals(set_.ordinals.start(), Below(6));
      break;
    case 1:
      revisions_.update =
          Chance(0.3) ? revisions_.current : "web-" + std::to_string(next_revision_++);
      break;
    default:
      if (set_.partition) set_.partition = Chance(0.5) ? 0 : Below(5);
      break;
  }
  Note(fmt::format("spec: {} from {}, {} -> {}, partition {}", set_.ordinals.count(),
                   set_.ordinals.start(), revisions_.current, revisions_.update,
                   set_.partition.value_or(-1)));
}

// ---- the controller

void SimulatedCluster::Sync() {
  const bool met = expectations_.Met([&](const Write& write) {
    std::optional<Cached> cached;
    int64_t reached = 0;
    if (write.object == Write::Object::kPod) {
      reached = cache_.pods_version;
      if (const auto pod = cache_.pods.find(write.name); pod != cache_.pods.end()) {
        cached = {pod->second.state.uid, std::to_string(pod->second.version),
                  pod->second.state.terminating};
      }
    } else {
      reached = cache_.claims_version;
      if (const auto claim = cache_.claims.find(write.name); claim != cache_.claims.end()) {
        cached = {claim->second.state.uid, std::to_string(claim->second.version),
                  claim->second.state.terminating};
      }
    }
    return IsShown(
        write, cached,
        write.kind == Write::Kind::kStored && reached >= std::stoll(write.resource_version));
  });
  if (!met) return;
  ClaimsByName claims;
  for (const auto& [name, claim] : cache_.claims) claims[name] = claim.state;
  const Plan plan = PlanPods(set_, revisions_, 0, PodsOf(cache_), claims, now_);
  for (const Stage& stage : plan.stages) {
    bool failed = false;
    for (const Work& work : stage.work) {
      for (const Action& action : work) {
        if (Apply(action)) continue;
        failed = true;
        break;
      }
      if (failed && !stage.parallel) break;
    }
    if (failed) return;
  }
  set_.status = plan.status;
  if (plan.status.current_revision == plan.status.update_revision) {
    revisions_.current = revisions_.update;
  }
}

// False when the call fails, with or without its effect.
bool SimulatedCluster::Apply(const Action& action) {
  switch (action.kind) {
    case Action::Kind::kReport:
      return false;
    case Action::Kind::kCreatePod:
      CheckCreation(action);
      break;
    case Action::Kind::kDeletePod:
      CheckDeletion(action);
      break;
    case Action::Kind::kCreateClaim:
    case Action::Kind::kGrowClaim:
    case Action::Kind::kSetOwners:
    case Action::Kind::kRelabelPod:
    case Action::Kind::kOpenGate:
      break;
  }
  if (!calm_ && Chance(0.1)) {
    Note("a call fails");
    return false;
  }
  Effect(action);
  if (calm_ || !Chance(0.1)) return true;
  Note("... and its reply is lost");
  return false;
}

void SimulatedCluster::Effect(const Action& action) {
  const auto pod = truth_.pods.find(action.pod);
  const auto claim = truth_.claims.find(action.claim);
  switch (action.kind) {
    case Action::Kind::kCreateClaim: {
      if (claim != truth_.claims.end()) return;
      ObservedClaim made;
      made.name = action.claim;
      made.uid = "claim-" + std::to_string(next_uid_++);
      if (set_.retention.delete_when_deleted) made.owners = {OwnerReference(set_)};
      StoreClaim(made);
      expectations_.Add({Write::Object::kClaim, Write::Kind::kStored, made.name, made.uid,
                         std::to_string(version_)});
      return;
    }
    case Action::Kind::kSetOwners: {
      if (claim == truth_.claims.end() || claim->second.state.uid != action.uid) return;
      ObservedClaim changed = claim->second.state;
      changed.owners = action.owners;
      StoreClaim(changed);
      expectations_.Add({Write::Object::kClaim, Write::Kind::kStored, changed.name, changed.uid,
                         std::to_string(version_)});
      return;
    }
    case Action::Kind::kCreatePod: {
      if (pod != truth_.pods.end()) return;
      Note(fmt::format("create {} of {}", action.pod, action.revision));
      ObservedPod made;
      made.name = action.pod;
      made.uid = "pod-" + std::to_string(next_uid_++);
      made.ordinal = action.ordinal;
      made.labels = {{kPodNameLabel, made.name}, {kRevisionLabel, action.revision}};
      for (const json& claim_template : set_.claim_templates) {
        made.claim_of_volume[kube::TextIn(kube::Member(claim_template, "metadata"), "name")] =
            set_.ClaimName(claim_template, action.ordinal);
      }
      StorePod(made);
      expectations_.Add({Write::Object::kPod, Write::Kind::kStored, made.name, made.uid,
                         std::to_string(version_)});
      return;
    }
    case Action::Kind::kRelabelPod: {
      if (pod == truth_.pods.end() || pod->second.state.uid != action.uid) return;
      ObservedPod changed = pod->second.state;
      changed.labels[kPodNameLabel] = changed.name;
      StorePod(changed);
      expectations_.Add({Write::Object::kPod, Write::Kind::kStored, changed.name, changed.uid,
                         std::to_string(version_)});
      return;
    }
    case Action::Kind::kDeletePod: {
      expectations_.Add({Write::Object::kPod, Write::Kind::kDeleted, action.pod, action.uid, "0"});
      if (pod == truth_.pods.end() || pod->second.state.uid != action.uid) return;
      Note(fmt::format("delete {}: {}", action.pod, ReasonName(action.reason)));
      if (action.reason == Action::Reason::kUpdate &&
          cache_.pods.at(action.pod).state.available(set_, now_)) {
        updating_.insert(action.pod);
      }
      ObservedPod changed = pod->second.state;
      changed.terminating = true;
      StorePod(changed);
      return;
    }
    case Action::Kind::kGrowClaim:
    case Action::Kind::kOpenGate:
    case Action::Kind::kReport:
      return;
  }
}

// ---- the promises

// What the controller could know says that everybody before `ordinal` is fine.
void SimulatedCluster::CheckOrder(int ordinal, const std::string& what) {
  for (int before = set_.ordinals.first(); before < ordinal && before < set_.ordinals.end();
       before = set_.ordinals.next(before)) {
    const auto pod = cache_.pods.find(set_.PodName(before));
    if (pod == cache_.pods.end() || pod->second.state.terminating ||
        pod->second.state.phase != PodPhase::kRunning || !pod->second.state.available(set_, now_)) {
      Fail(fmt::format("{} while {} is not available", what, set_.PodName(before)));
    }
  }
}

void SimulatedCluster::CheckCreation(const Action& action) {
  const std::string what = "create " + action.pod;
  if (!set_.ordinals.contains(action.ordinal)) Fail(what + ": an ordinal that nobody wants");
  if (cache_.pods.contains(action.pod)) Fail(what + ": the cache shows it");
  if (set_.pod_management == PodManagement::kOrderedReady) CheckOrder(action.ordinal, what);
  for (const json& claim_template : set_.claim_templates) {
    const std::string claim = set_.ClaimName(claim_template, action.ordinal);
    // One that somebody deleted since may be missing in truth alone.
    if (!truth_.claims.contains(claim) && !cache_.claims.contains(claim)) {
      Fail(what + " before its claim " + claim);
    }
  }
}

void SimulatedCluster::CheckDeletion(const Action& action) {
  const std::string what = fmt::format("delete {} ({})", action.pod, ReasonName(action.reason));
  const auto seen = cache_.pods.find(action.pod);
  if (seen == cache_.pods.end()) return Fail(what + ": the cache does not show it");
  const ObservedPod& pod = seen->second.state;
  if (pod.uid != action.uid) Fail(what + ": another pod of that name");
  if (pod.terminating) Fail(what + ": twice");
  const bool wanted = set_.ordinals.contains(pod.ordinal);
  const bool ordered = set_.pod_management == PodManagement::kOrderedReady;
  switch (action.reason) {
    case Action::Reason::kFailed:
    case Action::Reason::kSucceeded:
      if (!pod.ended() || !wanted) Fail(what + ": it has not ended");
      break;
    case Action::Reason::kScaledDown:
      if (wanted) Fail(what + ": it is wanted");
      if (!ordered) break;
      CheckOrder(set_.ordinals.end(), what);
      for (const auto& [name, other] : cache_.pods) {
        if (other.state.ordinal > pod.ordinal && !set_.ordinals.contains(other.state.ordinal)) {
          Fail(what + " before " + name);
        }
      }
      break;
    case Action::Reason::kStuck:
      if (!set_.options.replace_stuck || pod.ready || pod.revision() == revisions_.update) {
        Fail(what + ": it is not stuck");
      }
      break;
    case Action::Reason::kUpdate:
      CheckUpdate(action);
      if (ordered) CheckOrder(set_.ordinals.end(), what);
      break;
  }
}

void SimulatedCluster::CheckUpdate(const Action& action) {
  const std::string what = "update " + action.pod;
  const ObservedPod& pod = cache_.pods.at(action.pod).state;
  if (set_.update_strategy == UpdateStrategy::kOnDelete) Fail(what + ": the strategy is OnDelete");
  if (pod.revision() == revisions_.update) Fail(what + ": it is of the new revision");
  if (pod.ordinal < set_.ordinals.start() + set_.partition.value_or(0))
    Fail(what + ": below the partition");
  for (const auto& [name, other] : cache_.pods) {
    if (set_.ordinals.contains(other.state.ordinal)) continue;
    const auto now = truth_.pods.find(name);
    const bool going = now == truth_.pods.end() || now->second.state.terminating;
    if (!going || set_.pod_management == PodManagement::kOrderedReady) {
      Fail(what + " before the surplus " + name);
    }
  }
  std::set<std::string> down;
  for (const std::string& name : updating_) {
    if (set_.OrdinalOf(name) && set_.ordinals.contains(*set_.OrdinalOf(name))) down.insert(name);
  }
  if (pod.available(set_, now_)) down.insert(action.pod);
  if (static_cast<int>(down.size()) > set_.max_unavailable) {
    Fail(fmt::format("{}: {} pods taken at once", what, down.size()));
  }
}

bool SimulatedCluster::AsItShouldBe() {
  if (static_cast<int>(truth_.pods.size()) != set_.ordinals.count()) return false;
  for (const auto& [name, pod] : truth_.pods) {
    const ObservedPod& state = pod.state;
    if (!set_.ordinals.contains(state.ordinal) || !state.running_and_ready() ||
        !state.available(set_, now_) || state.terminating) {
      return false;
    }
    if (!state.labels.contains(kPodNameLabel)) return false;
    for (const auto& [volume, claim] : state.claim_of_volume) {
      if (!truth_.claims.contains(claim)) return false;
    }
    if (set_.update_strategy == UpdateStrategy::kRollingUpdate &&
        state.ordinal >= set_.ordinals.start() + set_.partition.value_or(0) &&
        state.revision() != revisions_.update) {
      return false;
    }
  }
  return set_.status.available == set_.ordinals.count() &&
         set_.status.observed_generation == set_.generation;
}

bool SimulatedCluster::Converges() {
  calm_ = true;
  for (int round = 0; round < 300 && failure_.empty(); ++round) {
    Deliver(static_cast<int>(events_.size()));
    Sync();
    for (size_t i = 0; i < 3 * truth_.pods.size(); ++i) {
      Kubelet();
      ForgetUpdated();
    }
    CollectGarbage();
    now_ += absl::Seconds(4);
    ForgetUpdated();
    if (events_.empty() && AsItShouldBe()) return true;
  }
  if (failure_.empty()) Fail("it does not become what it should be");
  return false;
}

}  // namespace berth::statefulset
