#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/process.h"
#include "checker.h"
#include "nemesis.h"
#include "observer.h"
#include "programs.h"
#include "sanity-tests/testing/csi_calls.h"
#include "verdict.h"

namespace berth {

// How one epoch of a volume goes, drawn before it begins.
struct Round {
  size_t node = 0;
  size_t controller = 0;
  bool race_publish = false;   // both nodes are asked for at once, each from another controller
  bool cut_off_stage = false;  // taken from the node while that may still be staging it
  absl::Duration live;         // until it is taken from the node
  bool in_order = false;       // unpublished and unstaged on the node; else the node is not asked
  // What happens to the node before it loses the volume, and when that is over.
  enum class Hold { kNone, kPauseIo, kPauseNode, kCutOff };
  Hold hold = Hold::kNone;
  absl::Duration held;  // before the volume is taken away
  enum class Release { kWhileNobodyWrites, kInTheNextEpoch, kLater };
  Release release = Release::kWhileNobodyWrites;
  bool race_unpublish = false;  // the other controller is asked too, a little earlier
  absl::Duration race_lead;
  bool kill_controller = false;  // the one that was asked, shortly after
  absl::Duration kill_after;
  // What of Ceph stands still when the volume is taken away, and how long: then the steps of those
  // who wait for it meet.
  enum class Stall { kNone, kMonitors, kOsds };
  Stall stall = Stall::kNone;
  absl::Duration stalled;
  absl::Duration quiet;  // between the volume's becoming free and the next publish
};
Round DrawRound(std::mt19937_64& random);

// One volume: plays the external attacher and the kubelets, moves the volume from node to node with
// a writer on it, and looks at it whenever that shows something. For one thread.
class Tenant {
 public:
  Tenant(const Places& places, Targets& targets, Nemesis& nemesis, Verdict& verdict,
         TestVolume volume, Observer observer, uint64_t seed);

  // Rounds until `end` or until a violation is found.
  void Run(absl::Time end);
  // Takes the volume from whoever has it, ends all writers and looks a last time. After Run.
  void Finish();
  const std::string& volume_id() const { return volume_.id; }

 private:
  // A pod on a node: what is left of it is taken away before the node gets the volume again.
  struct Pod {
    size_t node = 0;
    uint64_t epoch = 0;
    std::string history;
    uint64_t device_losses = 0;       // of its node, before it started
    std::atomic<bool> taken = false;  // its volume is being taken from the node
    std::future<StatusOr<ChildProcess>> starting;
    std::optional<ChildProcess> writer;
  };

  void PlayRound(const Round& round);
  StatusOr<uint64_t> Publish(const Round& round, size_t& node);
  StatusOr<uint64_t> PublishOn(size_t node, size_t controller);
  StatusOr<uint64_t> RacePublish(const Round& round, size_t& node);
  void CheckEpoch(uint64_t epoch);
  Status Unpublish(const Round& round, size_t node);
  void StallCeph(const Round& round);
  void KillSoon(ControllerProgram& victim, absl::Duration delay);
  Status UnpublishUntilDone(size_t node, size_t controller);

  void StartPod(size_t node, uint64_t epoch);
  StatusOr<ChildProcess> BringUp(const Pod& pod) const;
  StatusOr<ChildProcess> StartWriter(size_t node, uint64_t epoch, const std::string& history) const;
  Status StageUntilDone(const Pod& pod) const;
  bool AwaitStart(Pod& pod);
  void Live(Pod& pod, absl::Duration live);
  void ExplainFailure(const Pod& pod);
  bool TakeDownInOrder(Pod& pod);
  void Remove(size_t node);

  std::function<void()> Inflict(Round::Hold hold, size_t node);
  void LookWhenBegun(const Pod& pod);
  void LookWhenFree(const Pod& pod, bool in_order);
  void Look(const std::string& name, const Interval& between);
  void Judge(const std::string& name, const Interval& between, const Picture& picture);
  void Note(const std::string& what) const { verdict_.Note("volume " + volume_.name, what); }

  const Places places_;
  Targets& targets_;
  Nemesis& nemesis_;
  Verdict& verdict_;
  const TestVolume volume_;
  const Observer observer_;
  std::mt19937_64 random_;
  Timeline timeline_;
  std::vector<uint64_t> offsets_;           // known once a writer has begun
  std::vector<std::unique_ptr<Pod>> pods_;  // by node; null: nothing is left there
  std::future<Status> raced_unpublish_;     // of the other controller, when both were asked
  uint64_t newest_epoch_ = 0;
  std::optional<size_t> held_node_;  // still held by us, so not to be published to
  absl::Time held_until_;
};

}  // namespace berth
