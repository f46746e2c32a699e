#include "kube/controller.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"
#include "kube/api_error.h"

namespace berth::kube {
namespace {

// The key that stands for "all of them"; no object is called like that.
constexpr char kResync[] = "*";

}  // namespace

Controller::Controller(const Clock& clock, Options options, ListKeys list_keys, Reconcile reconcile)
    : options_(std::move(options)),
      list_keys_(std::move(list_keys)),
      reconcile_(std::move(reconcile)),
      queue_(clock, options_.queue, std::random_device()()) {
  queue_.ShutDown();
}

void Controller::Start() {
  queue_.Reopen();
  EnqueueAll();
  for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { Work(); });
}

void Controller::Stop() {
  queue_.ShutDown();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Controller::EnqueueAfter(const std::string& key, absl::Duration delay) {
  const Status added = queue_.AddAfter(key, delay);
  if (added.code() == absl::StatusCode::kResourceExhausted) {
    LogLine("work postponed to the next resync")
        .Field("controller", options_.name)
        .Field("object", key)
        .Field("error", std::string(added.message()))
        .Write(spdlog::level::warn);
  }
}

void Controller::EnqueueAll() {
  for (const std::string& key : list_keys_()) Enqueue(key);
  EnqueueAfter(kResync, options_.resync);
}

void Controller::Work() {
  while (const std::optional<std::string> key = queue_.Take(absl::InfiniteFuture())) {
    if (*key == kResync) {
      queue_.Done(*key);
      EnqueueAll();
      continue;
    }
    const Outcome outcome = reconcile_(*key);
    queue_.Done(*key);
    const absl::Duration after = outcome.after.value_or(absl::ZeroDuration());
    if (outcome.status.ok()) {
      queue_.Forget(*key);
      if (outcome.after) EnqueueAfter(*key, after);
      continue;
    }
    if (outcome.status.code() != absl::StatusCode::kAborted) {
      LogLine("reconcile failed")
          .Field("controller", options_.name)
          .Field("object", *key)
          .Field("code", absl::StatusCodeToString(outcome.status.code()))
          .Field("error", std::string(outcome.status.message()))
          .Write(spdlog::level::warn);
    }
    // A full or closed queue refuses it; the next resync or start brings the key back.
    const Status queued = queue_.Retry(
        *key, std::max(after, RetryAfter(outcome.status).value_or(absl::ZeroDuration())));
    queued.IgnoreError();
  }
}

}  // namespace berth::kube
