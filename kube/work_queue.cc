#include "kube/work_queue.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>

namespace berth::kube {

WorkQueue::WorkQueue(const Clock& clock, const Options& options, uint64_t seed)
    : clock_(clock), options_(options), seed_(seed) {}

void WorkQueue::State::MakeReady(const std::string& key) {
  if (const auto when = due.find(key); when != due.end()) {
    delayed.erase({when->second, key});
    due.erase(when);
  }
  if (ready_position.contains(key)) return;
  ready_position.emplace(key, next_position);
  ready.emplace(next_position++, key);
}

void WorkQueue::State::MakeDelayed(const std::string& key, absl::Time when) {
  if (ready_position.contains(key)) return;
  if (const auto earlier = due.find(key); earlier != due.end()) {
    if (earlier->second <= when) return;
    delayed.erase({earlier->second, key});
  }
  due[key] = when;
  delayed.emplace(when, key);
}

absl::Time WorkQueue::State::Advance(absl::Time now) {
  while (!delayed.empty() && delayed.begin()->first <= now) {
    const std::string key = delayed.begin()->second;
    if (in_work.contains(key)) {
      again.insert(key);
      due.erase(key);
      delayed.erase(delayed.begin());
    } else {
      MakeReady(key);
    }
  }
  return delayed.empty() ? absl::InfiniteFuture() : delayed.begin()->first;
}

Status WorkQueue::AddAfter(const std::string& key, absl::Duration delay) {
  auto state = state_.Lock();
  if (state->closed) return absl::CancelledError("the work queue is shut down");
  const bool known = state->in_work.contains(key) || state->ready_position.contains(key) ||
                     state->due.contains(key);
  if (!known && state->size() >= options_.max_keys) {
    return absl::ResourceExhaustedError(
        fmt::format("the work queue is full with {} keys", options_.max_keys));
  }
  if (delay > absl::ZeroDuration()) {
    state->MakeDelayed(key, clock_.Now() + delay);
  } else if (state->in_work.contains(key)) {
    state->again.insert(key);
  } else {
    state->MakeReady(key);
  }
  state.NotifyAll();
  return absl::OkStatus();
}

Status WorkQueue::Retry(const std::string& key, absl::Duration at_least) {
  absl::Duration delay;
  {
    auto state = state_.Lock();
    Backoff& backoff =
        state->backoff
            .try_emplace(key,
                         Backoff::Options{options_.base_delay, options_.max_delay, options_.jitter},
                         seed_ ^ std::hash<std::string>()(key))
            .first->second;
    delay = std::max(backoff.Next(), at_least);
  }
  return AddAfter(key, delay);
}

void WorkQueue::Forget(const std::string& key) { state_.Lock()->backoff.erase(key); }

std::optional<std::string> WorkQueue::Take(absl::Time deadline) {
  auto state = state_.Lock();
  while (true) {
    if (state->closed) return std::nullopt;
    const absl::Time next_due = state->Advance(clock_.Now());
    if (!state->ready.empty()) break;
    if (absl::Now() >= deadline) return std::nullopt;
    const absl::Time wake = std::min(deadline, absl::Now() + (next_due - clock_.Now()));
    state.WaitUntil(wake, [&] {
      return state->closed || !state->ready.empty() ||
             (!state->delayed.empty() && state->delayed.begin()->first < next_due);
    });
  }
  const std::string key = state->ready.begin()->second;
  state->ready.erase(state->ready.begin());
  state->ready_position.erase(key);
  state->in_work.insert(key);
  return key;
}

void WorkQueue::Done(const std::string& key) {
  auto state = state_.Lock();
  state->in_work.erase(key);
  if (state->again.erase(key) > 0 && !state->closed) {
    state->MakeReady(key);
    state.NotifyAll();
  }
}

void WorkQueue::ShutDown() {
  auto state = state_.Lock();
  std::set<std::string> in_work = std::move(state->in_work);
  *state = State();
  state->in_work = std::move(in_work);
  state->closed = true;
  state.NotifyAll();
}

void WorkQueue::Reopen() { state_.Lock()->closed = false; }

size_t WorkQueue::size() { return state_.Lock()->size(); }

}  // namespace berth::kube
