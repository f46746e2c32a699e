#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/synchronized.h"

namespace berth {

// A bounded number of threads, started when needed, and a bounded queue before them. Work runs to
// its end: the destructor waits for what is running and runs what is queued. Thread-safe.
class WorkerPool {
 public:
  WorkerPool(size_t max_threads, size_t max_queued);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Queues `work`, which must not throw. RESOURCE_EXHAUSTED when the queue is full or the pool is
  // ending.
  Status Submit(std::function<void()> work);

 private:
  struct State {
    std::deque<std::function<void()>> queue;
    std::vector<std::thread> threads;
    size_t idle = 0;
    bool ending = false;
  };
  void Run();

  const size_t max_threads_;
  const size_t max_queued_;
  Synchronized<State> state_;
};

}  // namespace berth
