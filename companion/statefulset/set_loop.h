#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/synchronized.h"
#include "companion/statefulset/environment.h"
#include "companion/statefulset/expectations.h"
#include "companion/statefulset/plan.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/controller.h"
#include "kube/informer.h"
#include "kube/json_object.h"

namespace berth::statefulset {

// Reconciles the sets of one kind:
//
//   observe (copies) ─▶ earlier writes shown? ─▶ adopt ─▶ revisions ─▶ plan ─▶ act ─▶ status
//                             │ no: wait for their events
//
// A set is reconciled by one thread at a time; the plan itself is a pure function (plan.h).
class SetLoop {
 public:
  enum class Mode {
    kOwn,     // these sets are ours
    kBeside,  // another controller's: only what their annotations ask Berth for is done
  };
  struct Options {
    kube::Resource resource{};
    Mode mode = Mode::kOwn;
    int workers = 4;
    // Whether every DNS replica answers for the pod's name with its addresses. Asked only for sets
    // that wait for it, from the loop's threads.
    std::function<bool(const StatefulSet&, const ObservedPod&)> name_is_served = {};
    // Sets that are left alone.
    std::function<bool(const kube::JsonObject&)> ignore = {};
    // Told of each set as it arrives, with the fields' managers still in it.
    std::function<void(const kube::JsonObject&)> on_arrival = {};
    // Told of each failed list or watch of the sets.
    std::function<void(const Status&)> on_error = {};
  };

  // Adds handlers to the caches, so this comes before they start. `environment` is copied.
  SetLoop(const Environment& environment, Options options);

  // Follows the sets from here on, also while another replica leads.
  void StartCache() { sets_.Start(); }
  Status WaitForSync(absl::Time deadline) { return sets_.WaitForSync(deadline); }
  void StopCache() { sets_.Stop(); }

  // Between these, objects are changed. Start may follow Stop.
  void Start();
  void Stop();
  size_t backlog() { return controller_.backlog(); }

 private:
  using Sets = kube::Informer<kube::JsonObject>;
  // Of one set.
  struct Memory {
    explicit Memory(std::string set_uid) : uid(std::move(set_uid)) {}
    // `cached`, or what our own last write made of it, when that is newer: the status of an older
    // one could not be written any more.
    Sets::Object Newest(Sets::Object cached);

    const std::string uid;
    Synchronized<Expectations> expectations;
    Synchronized<Sets::Object> written;
  };

  void Watch();
  template <typename T>
  void OnOwned(const typename kube::Informer<T>::Change& change);
  void EnqueueOwner(const kube::meta::ObjectMeta& metadata);
  void EnqueueAdopters(const kube::meta::ObjectMeta& metadata);
  void EnqueueClaimant(const kube::ObjectKey& claim);
  std::vector<std::string> Keys();

  kube::Outcome Reconcile(const std::string& key);
  kube::Outcome Own(const StatefulSet& set, Memory& memory);
  kube::Outcome Beside(const StatefulSet& set, Memory& memory);
  std::shared_ptr<Memory> Remember(const std::string& key, const std::string& uid);
  void LookUpNames(const StatefulSet& set, std::vector<ObservedPod>& pods);
  Status WriteStatus(const StatefulSet& set, const Plan& plan, const Status& outcome,
                     Memory& memory);

  const Environment environment_;
  const Options options_;
  Sets sets_;
  Synchronized<std::unordered_map<std::string, std::shared_ptr<Memory>>> memories_;  // by key
  kube::Controller controller_;
};

}  // namespace berth::statefulset
