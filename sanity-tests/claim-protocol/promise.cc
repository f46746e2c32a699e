#include "promise.h"

#include <spdlog/fmt/fmt.h>

namespace berth::exploration {

void Promise::Started(const std::string& instance, const std::string& node, uint64_t epoch) {
  uint64_t order = 0;
  for (const auto& [address, other] : instances_) order += other.epoch == epoch ? 1 : 0;
  instances_[instance] = {.node = node, .epoch = epoch, .order = order};
}

void Promise::ReadServed(const std::string& instance) {
  const Instance& now = instances_.at(instance);
  if (!latest_.empty()) {
    const Instance& before = instances_.at(latest_);
    if (now.epoch < before.epoch) return Break(instance + " still reads after " + latest_);
    if (now.epoch == before.epoch && now.order < before.order) return;
  }
  latest_ = instance;
}

void Promise::WriteServed(const std::string& instance) {
  const Instance& now = instances_.at(instance);
  const Instance& after = instances_.at(latest_);
  if (now.epoch < after.epoch || (now.epoch == after.epoch && now.order < after.order)) {
    Break(fmt::format("a write of {} (epoch {}) landed after {} (epoch {}) had begun", instance,
                      now.epoch, latest_, after.epoch));
  }
}

void Promise::Unpublished(const std::string& node, uint64_t epoch, const MemoryRados& rados) {
  for (const auto& [address, instance] : instances_) {
    if (instance.node != node || instance.epoch > epoch || !instance.open) continue;
    if (rados.IsBlocklisted(address)) continue;
    if (instance.alive || rados.HasInFlight(address)) {
      Break(fmt::format("node {} was unpublished while {} can write", node, address));
    }
  }
}

void Promise::Break(const std::string& how) {
  if (!broken_) broken_ = how;
}

std::string Promise::Fingerprint() const {
  std::string text = latest_;
  for (const auto& [address, instance] : instances_) {
    text += fmt::format("\np {} {} {} {} {}", address, instance.epoch, instance.order,
                        instance.alive, instance.open);
  }
  return text;
}

}  // namespace berth::exploration
