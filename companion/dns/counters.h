#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "companion/dns/query.h"

namespace berth::dns {

// What one worker counted. Written by that worker, read by whoever shows metrics.
struct Counters {
  using Counter = std::atomic<uint64_t>;
  static void Add(Counter& counter, uint64_t value = 1) {
    counter.fetch_add(value, std::memory_order_relaxed);
  }
  void CountAnswer(Rcode rcode) {
    const auto code = static_cast<size_t>(rcode);
    Add(answers[code < answers.size() ? code : answers.size() - 1]);
  }

  Counter queries = 0;                   // packets that came
  std::array<Counter, 17> answers = {};  // sent, by response code
  Counter ignored = 0;                   // no queries, unanswered
  Counter rate_limited = 0;              // dropped, or truncated instead of answered
  Counter send_errors = 0;
};

}  // namespace berth::dns
