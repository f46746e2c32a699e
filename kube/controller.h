#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "kube/work_queue.h"

namespace berth::kube {

// What one run of Reconcile left to do.
struct Outcome {
  // Not OK: logged, and tried again with back-off (ABORTED, a lost write race, is too common to
  // log).
  Status status;
  // With an OK status: look at the key again after this time. Otherwise: not before it.
  std::optional<absl::Duration> after;

  Outcome(Status result) : status(std::move(result)) {}  // NOLINT(*-explicit-*)
  Outcome(Status result, absl::Duration delay) : status(std::move(result)), after(delay) {}
};

// Worker threads that bring objects to their wanted state: Reconcile(key) is called for each key
// that was enqueued, never for one key on two threads at once, and looks up itself what is to do.
class Controller {
 public:
  struct Options {
    std::string name;  // of log lines
    int workers = 4;
    absl::Duration resync = absl::Minutes(10);  // after which all keys are looked at again
    WorkQueue::Options queue;
  };
  using Reconcile = std::function<Outcome(const std::string& key)>;
  // All keys there are: enqueued at the start and at each resync.
  using ListKeys = std::function<std::vector<std::string>()>;

  Controller(const Clock& clock, Options options, ListKeys list_keys, Reconcile reconcile);
  ~Controller() { Stop(); }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void Start();
  // Waits for what is in work. Start may follow.
  void Stop();
  // Ignored while stopped, since Start enqueues everything. Thread-safe.
  void Enqueue(const std::string& key) { EnqueueAfter(key, absl::ZeroDuration()); }
  void EnqueueAfter(const std::string& key, absl::Duration delay);
  size_t backlog() { return queue_.size(); }

 private:
  void Work();
  void EnqueueAll();

  const Options options_;
  const ListKeys list_keys_;
  const Reconcile reconcile_;
  WorkQueue queue_;
  std::vector<std::thread> threads_;
};

}  // namespace berth::kube
