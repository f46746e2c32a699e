#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/status.h"
#include "base/synchronized.h"
#include "companion/statefulset/environment.h"
#include "companion/statefulset/expectations.h"
#include "companion/statefulset/plan.h"
#include "companion/statefulset/stateful_set.h"

namespace berth::statefulset {

using TemplatesByRevision = std::map<std::string, nlohmann::json>;

// Carries out one plan for one set by calls to the API server. What took effect is added to the
// set's expectations; people are told by events. `environment`, `set`, `templates` and
// `expectations` outlive it.
class Actor {
 public:
  Actor(const Environment& environment, const StatefulSet& set,
        const TemplatesByRevision& templates, Synchronized<Expectations>& expectations)
      : environment_(environment), set_(set), templates_(templates), expectations_(expectations) {}

  // Stage after stage. The first error ends it, after the work that was begun with it; that error
  // is returned. ABORTED: somebody else changed the object, look again.
  Status CarryOut(const Plan& plan);

 private:
  Status DoStage(const Stage& stage);
  Status DoBatch(std::span<const Work> batch);
  Status DoWork(const Work& work);
  Status Do(const Action& action);
  Status CreateClaim(const Action& action);
  Status CreatePod(const Action& action);
  Status AcceptExistingPod(const Action& action);
  Status DeletePod(const Action& action);
  Status OpenGate(const Action& action);
  Status GrowClaim(const Action& action);
  Status SetOwners(const Action& action);
  Status RelabelPod(const Action& action);
  Status Report(const Action& action);

  void Expect(Write write) { expectations_.Lock()->Add(std::move(write)); }
  void ExpectStored(Write::Object object, const kube::meta::ObjectMeta& metadata);
  void Tell(kube::EventType type, std::string_view reason, std::string_view message);

  const Environment& environment_;
  const StatefulSet& set_;
  const TemplatesByRevision& templates_;
  Synchronized<Expectations>& expectations_;
};

}  // namespace berth::statefulset
