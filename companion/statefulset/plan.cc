#include "companion/statefulset/plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "companion/statefulset/labels.h"
#include "companion/statefulset/objects.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

std::string NameOf(const json& claim_template) {
  return kube::TextIn(kube::Member(claim_template, "metadata"), "name");
}

// How soon a name is asked for again that some DNS replica does not serve yet.
constexpr absl::Duration kNameRetry = absl::Milliseconds(250);

// Of that revision, and with its ordinal's override as it is now.
bool IsOfRevision(const StatefulSet& set, const ObservedPod& pod, const std::string& revision) {
  return pod.revision() == revision && pod.override_hash() == OverrideHash(set, pod.ordinal);
}

Action Delete(const ObservedPod& pod, Action::Reason reason) {
  return {.kind = Action::Kind::kDeletePod,
          .ordinal = pod.ordinal,
          .pod = pod.name,
          .uid = pod.uid,
          .reason = reason};
}

class Planner {
 public:
  Planner(const StatefulSet& set, const PlanRevisionNames& revisions,
          const std::vector<ObservedPod>& pods, const ClaimsByName& claims, absl::Time now)
      : set_(set),
        revisions_(revisions),
        claims_(claims),
        now_(now),
        ordered_(set.pod_management == PodManagement::kOrderedReady) {
    for (const ObservedPod& pod : pods) {
      (set.ordinals.contains(pod.ordinal) ? replicas_ : surplus_)[pod.ordinal] = &pod;
    }
  }

  Plan Make(SetStatus status) {
    plan_.status = std::move(status);
    Decide();
    plan_.status_after = plan_.status;
    for (const Stage& stage : plan_.stages) {
      for (const Work& work : stage.work) CountCreated(work, plan_.status_after);
    }
    return std::move(plan_);
  }

  Plan MakeBeside() {
    SetAgain();
    if (set_.terminating) return std::move(plan_);
    if (set_.options.claims_ahead) ClaimsAhead();
    GrowClaims();
    OpenGates();
    ReplaceStuck();
    return std::move(plan_);
  }

 private:
  void Decide() {
    SetAgain();
    if (set_.terminating) return;
    if (set_.options.claims_ahead) ClaimsAhead();
    GrowClaims();
    OpenGates();
    if (!Replicas()) return;
    SurplusClaims();
    if (!Surplus()) return;
    if (set_.update_strategy == UpdateStrategy::kRollingUpdate) Update();
  }

  void CountCreated(const Work& work, SetStatus& status) const {
    for (const Action& action : work) {
      if (action.kind != Action::Kind::kCreatePod) continue;
      ++status.replicas;
      status.current += action.revision == revisions_.current ? 1 : 0;
      status.updated += action.revision == revisions_.update ? 1 : 0;
    }
  }

  bool Unavailable(const ObservedPod& pod) const {
    return pod.terminating || !pod.available(set_, now_);
  }

  void SetAgain() {
    for (const auto* pods : {&replicas_, &surplus_}) {
      for (const auto& [ordinal, pod] : *pods) {
        const absl::Time at = pod->AvailableAt(set_);
        if (at > now_) plan_.again = std::min(plan_.again, at);
      }
    }
  }

  // False when it waits: nothing may be done after it.
  bool Wait(std::string what) {
    plan_.waiting_for = std::move(what);
    return false;
  }

  // ---- claims

  void AppendMissingClaims(int ordinal, Work& work) const {
    for (const json& claim_template : set_.claim_templates) {
      const std::string name = set_.ClaimName(claim_template, ordinal);
      const auto claim = claims_.find(name);
      if (claim == claims_.end()) {
        work.push_back({.kind = Action::Kind::kCreateClaim,
                        .ordinal = ordinal,
                        .claim_template = NameOf(claim_template),
                        .claim = name});
      } else if (claim->second.terminating) {
        work.push_back({.kind = Action::Kind::kReport,
                        .ordinal = ordinal,
                        .claim = name,
                        .pod = set_.PodName(ordinal),
                        .message = fmt::format("pvc {} is being deleted", name)});
      }
    }
  }

  void AppendOwners(const ClaimPod& pod, int ordinal, Work& work) const {
    for (const json& claim_template : set_.claim_templates) {
      const auto claim = claims_.find(set_.ClaimName(claim_template, ordinal));
      if (claim == claims_.end()) continue;
      auto owners = OwnersToSet(claim->second, set_, pod);
      if (!owners) continue;
      work.push_back({.kind = Action::Kind::kSetOwners,
                      .ordinal = ordinal,
                      .claim = claim->first,
                      .owners = *std::move(owners),
                      .uid = claim->second.uid,
                      .resource_version = claim->second.resource_version});
    }
  }

  // A claim of a pod that was scaled away waits for the garbage collector.
  bool HasStaleClaim(const ClaimPod& pod, int ordinal) const {
    if (!set_.retention.delete_when_scaled) return false;
    return std::any_of(set_.claim_templates.begin(), set_.claim_templates.end(),
                       [&](const json& claim_template) {
                         const auto claim = claims_.find(set_.ClaimName(claim_template, ordinal));
                         return claim != claims_.end() && HasStaleOwner(claim->second, set_, pod);
                       });
  }

  void ClaimsAhead() {
    Stage stage{.parallel = true, .work = {}};
    for (int ordinal = set_.ordinals.first();
         ordinal < set_.ordinals.end() && stage.work.size() < kMaxCreatedPerPlan;
         ordinal = set_.ordinals.next(ordinal)) {
      Work work;
      AppendMissingClaims(ordinal, work);
      std::erase_if(work, [](const Action& action) {
        return action.kind != Action::Kind::kCreateClaim;  // the pod's own turn will say it
      });
      if (!work.empty()) stage.work.push_back(std::move(work));
    }
    Append(std::move(stage));
  }

  void GrowClaims() {
    Stage stage{.parallel = true, .work = {}};
    for (const json& claim_template : set_.claim_templates) {
      const auto wanted = set_.options.claim_bytes.find(NameOf(claim_template));
      if (wanted == set_.options.claim_bytes.end()) continue;
      const std::string prefix = NameOf(claim_template) + "-" + set_.key.name + "-";
      for (auto claim = claims_.lower_bound(prefix);
           claim != claims_.end() && claim->first.compare(0, prefix.size(), prefix) == 0; ++claim) {
        const auto ordinal = set_.OrdinalOf(claim->first.substr(NameOf(claim_template).size() + 1));
        if (!ordinal || !set_.ordinals.contains(*ordinal) || claim->second.terminating ||
            claim->second.requested_bytes >= wanted->second) {
          continue;
        }
        stage.work.push_back({{.kind = Action::Kind::kGrowClaim,
                               .ordinal = *ordinal,
                               .claim = claim->first,
                               .bytes = wanted->second,
                               .uid = claim->second.uid}});
      }
    }
    Append(std::move(stage));
  }

  // ---- gates

  // The first gated pod whose predecessors are all there, available and, if that is asked for,
  // served by name. Until then nothing behind it has its turn.
  void OpenGates() {
    for (int ordinal = set_.ordinals.first(); ordinal < set_.ordinals.end();
         ordinal = set_.ordinals.next(ordinal)) {
      const auto found = replicas_.find(ordinal);
      if (found == replicas_.end()) return;
      const ObservedPod& pod = *found->second;
      if (pod.gated && !pod.terminating) {
        Append({.work = {{{.kind = Action::Kind::kOpenGate,
                           .ordinal = ordinal,
                           .pod = pod.name,
                           .uid = pod.uid}}}});
        return;
      }
      if (!HadItsTurn(pod)) return;
    }
  }

  bool HadItsTurn(const ObservedPod& pod) {
    if (pod.terminating || !pod.running_and_ready() || !pod.available(set_, now_)) return false;
    return NameIsServed(pod);
  }

  bool NameIsServed(const ObservedPod& pod) {
    if (pod.name_served) return true;
    plan_.again = std::min(plan_.again, now_ + kNameRetry);
    return Wait(fmt::format("the name of {} to be served by every DNS replica", pod.name));
  }

  // ---- replicas

  const std::string& RevisionFor(int ordinal) const {
    const int kept = set_.ordinals.start() + set_.partition.value_or(set_.status.current);
    const bool current = set_.update_strategy == UpdateStrategy::kRollingUpdate && ordinal < kept;
    return current ? revisions_.current : revisions_.update;
  }

  bool Replicas() {
    Stage stage{.parallel = !ordered_, .work = {}};
    bool go_on = true;
    int created = 0;
    for (int ordinal = set_.ordinals.first(); ordinal < set_.ordinals.end() && go_on;
         ordinal = set_.ordinals.next(ordinal)) {
      const auto found = replicas_.find(ordinal);
      Work work;
      if (found == replicas_.end()) {
        go_on = CreateReplica(ordinal, work) || !ordered_;
        if (++created >= kMaxCreatedPerPlan) go_on = false;
      } else {
        go_on = Replica(*found->second, work) || !ordered_;
      }
      if (!work.empty()) stage.work.push_back(std::move(work));
    }
    Append(std::move(stage));
    return go_on;
  }

  bool CreateReplica(int ordinal, Work& work) {
    const ClaimPod pod{.name = set_.PodName(ordinal), .uid = "", .wanted = true};
    if (HasStaleClaim(pod, ordinal)) {
      return Wait(fmt::format("a claim of {} to be deleted with its earlier pod", pod.name));
    }
    AppendMissingClaims(ordinal, work);
    work.push_back({.kind = Action::Kind::kCreatePod,
                    .ordinal = ordinal,
                    .revision = RevisionFor(ordinal),
                    .pod = pod.name});
    AppendOwners(pod, ordinal, work);
    return Wait(fmt::format("{} to be Ready", pod.name));
  }

  // False when OrderedReady must wait for this pod.
  bool Replica(const ObservedPod& pod, Work& work) {
    if (pod.ended()) {
      if (!pod.terminating) {
        work.push_back(Delete(pod, pod.phase == PodPhase::kFailed ? Action::Reason::kFailed
                                                                  : Action::Reason::kSucceeded));
      }
      return Wait(fmt::format("{} to be remade", pod.name));
    }
    if (pod.phase == PodPhase::kPending) {
      AppendMissingClaims(pod.ordinal, work);
      AppendOwners({pod.name, pod.uid, true}, pod.ordinal, work);
    }
    if (ordered_ && Unready(pod)) {
      if (IsStuck(pod)) work.push_back(Delete(pod, Action::Reason::kStuck));
      return false;
    }
    if (!Repair(pod, work)) return Wait(fmt::format("{} to be deleted by hand", pod.name));
    return true;
  }

  bool Unready(const ObservedPod& pod) {
    if (pod.terminating) return !Wait(fmt::format("{} to terminate", pod.name));
    if (!pod.running_and_ready()) return !Wait(fmt::format("{} to be Ready", pod.name));
    if (!pod.available(set_, now_)) return !Wait(fmt::format("{} to be Available", pod.name));
    return !NameIsServed(pod);
  }

  // OrderedReady waits for a pod that an update broke; its own replacement is what it waits for.
  bool IsStuck(const ObservedPod& pod) const {
    return set_.options.replace_stuck && !pod.terminating && !pod.running_and_ready() &&
           set_.update_strategy == UpdateStrategy::kRollingUpdate &&
           pod.ordinal >= set_.FirstUpdated() && !IsUpdated(pod);
  }

  // Beside another controller there is no telling whether it would wait for the pod: when it is
  // OrderedReady, it would.
  void ReplaceStuck() {
    if (!ordered_) return;
    for (const auto& [ordinal, pod] : replicas_) {
      if (pod->running_and_ready()) continue;
      if (IsStuck(*pod)) Append({.work = {{Delete(*pod, Action::Reason::kStuck)}}});
      return;
    }
  }

  // What makes the pod a member of the set. False when that cannot be had of this pod.
  bool Repair(const ObservedPod& pod, Work& work) const {
    const auto label = pod.labels.find(kPodNameLabel);
    if (label == pod.labels.end() || label->second != pod.name) {
      work.push_back({.kind = Action::Kind::kRelabelPod,
                      .ordinal = pod.ordinal,
                      .pod = pod.name,
                      .uid = pod.uid});
    }
    for (const json& claim_template : set_.claim_templates) {
      const auto volume = pod.claim_of_volume.find(NameOf(claim_template));
      const std::string claim = set_.ClaimName(claim_template, pod.ordinal);
      if (volume != pod.claim_of_volume.end() && volume->second == claim) continue;
      work.push_back(
          {.kind = Action::Kind::kReport,
           .ordinal = pod.ordinal,
           .claim = claim,
           .pod = pod.name,
           .message = fmt::format("it does not mount claim {} as volume {}, and a pod's volumes "
                                  "cannot be changed; delete it, so that it is made anew",
                                  claim, NameOf(claim_template))});
      return false;
    }
    if (pod.phase != PodPhase::kPending) AppendOwners({pod.name, pod.uid, true}, pod.ordinal, work);
    return true;
  }

  // ---- surplus pods

  void SurplusClaims() {
    Stage stage{.parallel = !ordered_, .work = {}};
    for (auto it = surplus_.rbegin(); it != surplus_.rend(); ++it) {
      Work work;
      AppendOwners({it->second->name, it->second->uid, false}, it->first, work);
      if (!work.empty()) stage.work.push_back(std::move(work));
    }
    Append(std::move(stage));
  }

  bool Surplus() {
    Stage stage{.parallel = !ordered_, .work = {}};
    const ObservedPod* first_unavailable = FirstUnavailable();
    bool go_on = true;
    for (auto it = surplus_.rbegin(); it != surplus_.rend() && go_on; ++it) {
      const ObservedPod& pod = *it->second;
      if (pod.terminating) {
        if (ordered_) go_on = Wait(fmt::format("{} to terminate", pod.name));
        continue;
      }
      const bool healthy = pod.running_and_ready() && pod.available(set_, now_);
      // Kubernetes waits for ended ones too, for ever: they never become healthy.
      if (ordered_ && !healthy && !pod.ended() && &pod != first_unavailable) {
        go_on = Wait(fmt::format("{} to be Available", pod.name));
        continue;
      }
      stage.work.push_back({Delete(pod, Action::Reason::kScaledDown)});
      if (ordered_) go_on = Wait(fmt::format("{} to terminate", pod.name));
    }
    Append(std::move(stage));
    return go_on;
  }

  const ObservedPod* FirstUnavailable() const {
    for (const auto* pods : {&replicas_, &surplus_}) {
      for (const auto& [ordinal, pod] : *pods) {
        if (Unavailable(*pod)) return pod;
      }
    }
    return nullptr;
  }

  // ---- rolling update

  bool IsUpdated(const ObservedPod& pod) const {
    return IsOfRevision(set_, pod, revisions_.update);
  }

  // Takes pods from the top while fewer than may be are unavailable. One that is unavailable
  // already costs nothing, so that a broken pod cannot hold up its own replacement; yet no more
  // pods at once are on their way to the new revision, which may be what is broken.
  void Update() {
    int unavailable = set_.ordinals.count() - static_cast<int>(replicas_.size());
    int on_their_way = unavailable;
    for (const auto& [ordinal, pod] : replicas_) {
      if (!Unavailable(*pod)) continue;
      ++unavailable;
      if (pod->terminating || IsUpdated(*pod)) ++on_their_way;
    }
    Stage stage;
    for (auto it = replicas_.rbegin(); it != replicas_.rend(); ++it) {
      const ObservedPod& pod = *it->second;
      if (pod.ordinal < set_.FirstUpdated()) break;
      if (pod.terminating || pod.ended() || IsUpdated(pod)) continue;
      if (!Unavailable(pod) && unavailable++ >= set_.max_unavailable) break;
      if (on_their_way++ >= set_.max_unavailable) break;
      stage.work.push_back({Delete(pod, Action::Reason::kUpdate)});
      if (pod.revision() == revisions_.current) --plan_.status.current;
    }
    Append(std::move(stage));
  }

  void Append(Stage stage) {
    if (!stage.work.empty()) plan_.stages.push_back(std::move(stage));
  }

  const StatefulSet& set_;
  const PlanRevisionNames& revisions_;
  const ClaimsByName& claims_;
  const absl::Time now_;
  const bool ordered_;
  std::map<int, const ObservedPod*> replicas_;  // by ordinal
  std::map<int, const ObservedPod*> surplus_;
  Plan plan_;
};

SetStatus Count(const StatefulSet& set, const PlanRevisionNames& revisions, int collision_count,
                const std::vector<ObservedPod>& pods, absl::Time now) {
  SetStatus status;
  status.observed_generation = set.generation;
  status.current_revision = revisions.current;
  status.update_revision = revisions.update;
  status.collision_count = collision_count;
  for (const ObservedPod& pod : pods) {
    ++status.replicas;
    status.ready += pod.running_and_ready() ? 1 : 0;
    status.available += pod.running_and_ready() && pod.available(set, now) ? 1 : 0;
    if (pod.terminating) continue;
    status.current += pod.revision() == revisions.current ? 1 : 0;
    status.updated += IsOfRevision(set, pod, revisions.update) ? 1 : 0;
  }
  return status;
}

// A rolling update is complete when every pod is of the new revision and ready.
void CompleteUpdate(const StatefulSet& set, SetStatus& status) {
  const int wanted = set.ordinals.count();
  if (set.update_strategy == UpdateStrategy::kRollingUpdate && status.updated == wanted &&
      status.ready == wanted && status.replicas == wanted) {
    status.current = status.updated;
    status.current_revision = status.update_revision;
  }
}

}  // namespace

Plan PlanPods(const StatefulSet& set, const PlanRevisionNames& revisions, int collision_count,
              const std::vector<ObservedPod>& pods, const ClaimsByName& claims, absl::Time now) {
  Plan plan = Planner(set, revisions, pods, claims, now)
                  .Make(Count(set, revisions, collision_count, pods, now));
  CompleteUpdate(set, plan.status);
  CompleteUpdate(set, plan.status_after);
  return plan;
}

Plan PlanBeside(const StatefulSet& set, const std::vector<ObservedPod>& pods,
                const ClaimsByName& claims, absl::Time now) {
  const PlanRevisionNames revisions{set.status.current_revision, set.status.update_revision};
  return Planner(set, revisions, pods, claims, now).MakeBeside();
}

}  // namespace berth::statefulset
