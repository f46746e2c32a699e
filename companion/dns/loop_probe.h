#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "companion/dns/name.h"

namespace berth::dns {

// Finds out whether the upstream resolvers ask us: a name that nobody else can know is sent
// upstream once, and coming back it proves the loop. From then on nothing is forwarded any more,
// until the process is started anew with other upstreams. Thread-safe.
class LoopProbe {
 public:
  // `random` makes the name unguessable.
  explicit LoopProbe(uint64_t random);

  const Name& name() const { return name_; }
  // To be told of every question that would be forwarded. True when it is the probe.
  bool Recognise(std::string_view name) {
    if (name != name_) return false;
    looped_.store(true, std::memory_order_relaxed);
    return true;
  }
  bool looped() const { return looped_.load(std::memory_order_relaxed); }

 private:
  const Name name_;
  std::atomic<bool> looped_ = false;
};

}  // namespace berth::dns
