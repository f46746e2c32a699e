#pragma once

#include <functional>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/synchronized.h"

namespace berth {

// Does something at once and then again and again, on a thread of its own.
class PeriodicTask {
 public:
  // `work` returns how long to wait until it is done again.
  explicit PeriodicTask(std::function<absl::Duration()> work)
      : work_(std::move(work)), thread_([this] { Run(); }) {}
  // Waits for work that is being done.
  ~PeriodicTask() {
    {
      auto ending = ending_.Lock();
      *ending = true;
      ending.NotifyAll();
    }
    thread_.join();
  }
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

 private:
  void Run() {
    for (;;) {
      const absl::Time next = absl::Now() + work_();
      auto ending = ending_.Lock();
      if (ending.WaitUntil(next, [&] { return *ending; })) return;
    }
  }

  const std::function<absl::Duration()> work_;
  Synchronized<bool> ending_{false};
  std::thread thread_;  // last: it uses the others
};

}  // namespace berth
