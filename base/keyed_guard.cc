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
  if (queue.line.size() > max_waiting_) {
    return absl::AbortedError(fmt::format(
        "{} other calls for {} are waiting already; try again later", queue.line.size() - 1, name));
  }
  const uint64_t ticket = queue.next_ticket++;
  queue.line.push_back(ticket);
  // The queue stays in the map while a ticket is in line, so the reference stays good.
  if (!queues.WaitUntil(deadline, [&] { return queue.line.front() == ticket; })) {
    std::erase(queue.line, ticket);
    return absl::AbortedError(
        fmt::format("an earlier call for {} is still running; try again later", name));
  }
  return Hold(this, name);
}

void KeyedGuard::Release(const std::string& key) {
  auto queues = queues_.Lock();
  Queue& queue = queues->at(key);
  queue.line.pop_front();
  if (queue.line.empty()) queues->erase(key);
  queues.NotifyAll();
}

}  // namespace berth
