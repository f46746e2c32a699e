#include "base/keyed_guard.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace berth {

KeyedGuard::Hold::Hold(Hold&& other) noexcept
    : guard_(std::exchange(other.guard_, nullptr)), key_(std::move(other.key_)) {}

KeyedGuard::Hold& KeyedGuard::Hold::operator=(Hold&& other) noexcept {
  if (this != &other) {
    Release();
    guard_ = std::exchange(other.guard_, nullptr);
    key_ = std::move(other.key_);
  }
  return *this;
}

KeyedGuard::Hold::~Hold() { Release(); }

void KeyedGuard::Hold::Release() {
  if (guard_ != nullptr) std::exchange(guard_, nullptr)->Release(key_);
}

StatusOr<KeyedGuard::Hold> KeyedGuard::Acquire(std::string_view key, absl::Time deadline) {
  const std::string name(key);
  auto queues = queues_.Lock();
  Queue& queue = (*queues)[name];
  const uint64_t waiting = queue.next_ticket - queue.serving;
  if (waiting > max_waiting_) {
    return absl::AbortedError(
        fmt::format("{} other calls for {} are waiting already; try again later", waiting, name));
  }
  const uint64_t ticket = queue.next_ticket++;
  // The queue stays in the map as long as a ticket is out, so the reference stays good.
  if (!queues.WaitUntil(deadline, [&] { return queue.serving == ticket; })) {
    queue.gone.insert(ticket);
    return absl::AbortedError(
        fmt::format("an earlier call for {} is still running; try again later", name));
  }
  return Hold(this, name);
}

void KeyedGuard::Release(const std::string& key) {
  auto queues = queues_.Lock();
  Advance(*queues, key);
  queues.NotifyAll();
}

void KeyedGuard::Advance(std::map<std::string, Queue, std::less<>>& queues,
                         const std::string& key) {
  Queue& queue = queues.at(key);
  ++queue.serving;
  while (queue.gone.erase(queue.serving) > 0) ++queue.serving;
  if (queue.serving == queue.next_ticket) queues.erase(key);
}

}  // namespace berth
