#include "base/worker_pool.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace berth {

WorkerPool::WorkerPool(size_t max_threads, size_t max_queued)
    : max_threads_(max_threads), max_queued_(max_queued) {}

WorkerPool::~WorkerPool() {
  std::vector<std::thread> threads;
  {
    auto state = state_.Lock();
    state->ending = true;
    threads.swap(state->threads);
    state.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

Status WorkerPool::Submit(std::function<void()> work) {
  auto state = state_.Lock();
  if (state->ending || state->queue.size() >= max_queued_) {
    return absl::ResourceExhaustedError(
        fmt::format("{} calls are waiting already; try again later", state->queue.size()));
  }
  state->queue.push_back(std::move(work));
  if (state->idle < state->queue.size() && state->threads.size() < max_threads_) {
    state->threads.emplace_back([this] { Run(); });
  }
  state.NotifyAll();
  return absl::OkStatus();
}

void WorkerPool::Run() {
  for (;;) {
    std::function<void()> work;
    {
      auto state = state_.Lock();
      ++state->idle;
      state.WaitUntil(absl::InfiniteFuture(),
                      [&] { return state->ending || !state->queue.empty(); });
      --state->idle;
      if (state->queue.empty()) return;
      work = std::move(state->queue.front());
      state->queue.pop_front();
    }
    work();
  }
}

}  // namespace berth
