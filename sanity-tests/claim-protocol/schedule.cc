#include "schedule.h"

#include "absl/hash/hash.h"

namespace berth::exploration {

size_t Schedule::Choose(size_t count) {
  if (position_ == decisions_.size()) decisions_.push_back({.taken = 0, .count = count});
  return decisions_[position_++].taken;
}

bool Schedule::Reach(const std::string& state) {
  return states_.insert(absl::Hash<std::string>{}(state)).second;
}

bool Schedule::Advance() {
  while (!decisions_.empty() && decisions_.back().taken + 1 == decisions_.back().count) {
    decisions_.pop_back();
  }
  if (decisions_.empty()) return false;
  ++decisions_.back().taken;
  position_ = 0;
  ++runs_;
  return true;
}

}  // namespace berth::exploration
