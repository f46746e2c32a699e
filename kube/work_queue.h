#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "kube/backoff.h"

namespace berth::kube {

// Keys that need work, each at most once:
//
//   Add ──► ready ──Take──► in work ──Done──► (gone, or ready again when it was added meanwhile)
//   AddAfter, Retry ──► delayed ──time──► ready
//
// A key in work is never handed to a second worker. A key may be delayed at most once; the earliest
// time wins, and Add makes it ready at once. Thread-safe.
class WorkQueue {
 public:
  struct Options {
    absl::Duration base_delay = absl::Milliseconds(500);  // of the first Retry of a key
    absl::Duration max_delay = absl::Minutes(5);
    double jitter = 0.2;
    size_t max_keys = 100'000;  // ready, delayed and in work together
  };
  // `clock` outlives the queue; `seed` decides the jitter.
  WorkQueue(const Clock& clock, const Options& options, uint64_t seed);

  // The key needs work now. RESOURCE_EXHAUSTED when the queue is full, CANCELLED after ShutDown.
  Status Add(const std::string& key) { return AddAfter(key, absl::ZeroDuration()); }
  Status AddAfter(const std::string& key, absl::Duration delay);
  // The key's work failed: again after its own back-off, but not before `at_least` has passed.
  Status Retry(const std::string& key, absl::Duration at_least = absl::ZeroDuration());
  // The key's work succeeded: its back-off starts anew at the next failure.
  void Forget(const std::string& key);

  // Waits for a key that is ready. None at `deadline` (of the real clock) or after ShutDown. The
  // caller must call Done for it.
  std::optional<std::string> Take(absl::Time deadline);
  void Done(const std::string& key);

  // Ends all waits and drops what is not in work. Reopen lets it start again, empty.
  void ShutDown();
  void Reopen();

  // How many keys wait or are in work: the backlog.
  size_t size();

 private:
  struct State {
    std::map<uint64_t, std::string> ready;  // by order of arrival
    std::unordered_map<std::string, uint64_t> ready_position;
    std::set<std::pair<absl::Time, std::string>> delayed;
    std::unordered_map<std::string, absl::Time> due;
    std::set<std::string> in_work;
    std::set<std::string> again;  // added while in work
    std::unordered_map<std::string, Backoff> backoff;
    uint64_t next_position = 0;
    bool closed = false;

    size_t size() const { return ready.size() + delayed.size() + in_work.size(); }
    void MakeReady(const std::string& key);
    void MakeDelayed(const std::string& key, absl::Time when);
    // Moves what is due to ready; the time of the next delayed key.
    absl::Time Advance(absl::Time now);
  };

  const Clock& clock_;
  const Options options_;
  const uint64_t seed_;
  Synchronized<State> state_;
};

}  // namespace berth::kube
