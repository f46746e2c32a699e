#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/synchronized.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {

// Limits answers by datagram to one client prefix (/24, or /56 of IPv6), because senders of
// datagrams can be forged: whoever floods a third party through this server gets no more than
// this. A table of fixed size: prefixes that meet in one slot share it until one has been quiet for
// a second. Thread-safe.
class RateLimiter {
 public:
  enum class Verdict {
    kAnswer,
    kTruncate,  // every second answer above the limit: a real client comes back by TCP
    kDrop,
  };
  static constexpr size_t kSlots = 4096;

  // `answers_per_s` 0 limits nothing. `clock` outlives it.
  RateLimiter(uint32_t answers_per_s, const Clock& clock);

  Verdict Count(const IpAddress& client);

 private:
  struct Slot {
    uint64_t prefix = 0;
    int64_t refilled_us = 0;
    double answers_left = 0;
    bool truncate_next = false;
  };
  const uint32_t answers_per_s_;
  const Clock& clock_;
  const uint64_t seed_;
  Synchronized<std::vector<Slot>> slots_;
};

}  // namespace berth::dns
