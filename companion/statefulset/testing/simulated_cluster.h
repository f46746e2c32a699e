#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "companion/statefulset/expectations.h"
#include "companion/statefulset/plan.h"

namespace berth::statefulset {

// A cluster with one set, in memory: API server, kubelet, garbage collector, a user and a
// controller that acts through the real plan and expectations. Its cache follows behind the truth,
// its calls may fail before or after they took effect. All chance comes from the seed. Each call of
// the controller is held against the promises of a StatefulSet; the first one broken is kept.
class SimulatedCluster {
 public:
  explicit SimulatedCluster(uint64_t seed);

  // One thing happens, somewhere.
  void Step();
  // From now on nobody disturbs and nothing fails: true when the set soon is as it should be.
  bool Converges();

  // What was broken, with the steps that led there; empty: nothing.
  const std::string& failure() const { return failure_; }

 private:
  struct Pod {
    ObservedPod state;
    int64_t version = 0;
  };
  struct Claim {
    ObservedClaim state;
    int64_t version = 0;
  };
  // The objects as of some moment.
  struct Objects {
    std::map<std::string, Pod> pods;
    std::map<std::string, Claim> claims;
    int64_t pods_version = 0;
    int64_t claims_version = 0;
  };
  using Event = std::function<void(Objects&)>;

  bool Chance(double probability);
  int Below(int limit);
  void Note(const std::string& what);
  void Fail(const std::string& what);
  std::vector<ObservedPod> PodsOf(const Objects& objects) const;

  // The API server: every change reaches the cache as an event, later.
  void StorePod(const ObservedPod& pod);
  void ForgetUpdated();
  void RemovePod(const std::string& name);
  void StoreClaim(const ObservedClaim& claim);
  void RemoveClaim(const std::string& name);
  void Deliver(int events);

  void Kubelet();
  void CollectGarbage();
  void Disturb();
  void ChangeSpec();

  // The controller.
  void Sync();
  bool Apply(const Action& action);
  void Effect(const Action& action);
  void CheckCreation(const Action& action);
  void CheckDeletion(const Action& action);
  void CheckUpdate(const Action& action);
  void CheckOrder(int ordinal, const std::string& what);
  bool AsItShouldBe();

  std::mt19937_64 random_;
  bool calm_ = false;
  int64_t version_ = 0;
  int next_uid_ = 0;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);

  StatefulSet set_;
  PlanRevisionNames revisions_;
  int next_revision_ = 2;
  Objects truth_;
  Objects cache_;
  std::deque<Event> events_;
  Expectations expectations_;
  // Pods that the rolling update took and that did not come back available yet.
  std::set<std::string> updating_;
  std::vector<std::string> notes_;
  std::string failure_;
};

}  // namespace berth::statefulset
