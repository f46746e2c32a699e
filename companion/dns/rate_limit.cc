#include "companion/dns/rate_limit.h"

#include <algorithm>
#include <random>

#include "absl/hash/hash.h"
#include "absl/time/clock.h"

namespace berth::dns {
namespace {

constexpr size_t kPrefixBytesV4 = 3;
constexpr size_t kPrefixBytesV6 = 7;

// Never 0, which marks a slot that nobody has.
uint64_t PrefixOf(const IpAddress& client, uint64_t seed) {
  const absl::string_view prefix(client.bytes().data(),
                                 client.v6() ? kPrefixBytesV6 : kPrefixBytesV4);
  return absl::HashOf(prefix, seed) | 1;
}

}  // namespace

RateLimiter::RateLimiter(uint32_t answers_per_s, const Clock& clock)
    : answers_per_s_(answers_per_s),
      clock_(clock),
      seed_(std::random_device()()),
      slots_(std::vector<Slot>(answers_per_s == 0 ? 0 : kSlots)) {}

RateLimiter::Verdict RateLimiter::Count(const IpAddress& client) {
  if (answers_per_s_ == 0) return Verdict::kAnswer;
  const int64_t now_us = absl::ToUnixMicros(clock_.Now());
  const uint64_t prefix = PrefixOf(client, seed_);
  auto slots = slots_.Lock();
  Slot& slot = (*slots)[(prefix >> 1) % kSlots];
  const double elapsed_s = static_cast<double>(now_us - slot.refilled_us) / 1e6;
  if (slot.prefix != prefix && (slot.prefix == 0 || elapsed_s >= 1)) {
    slot = Slot{prefix, now_us, static_cast<double>(answers_per_s_), false};
  } else if (elapsed_s > 0) {
    slot.answers_left =
        std::min<double>(answers_per_s_, slot.answers_left + elapsed_s * answers_per_s_);
    slot.refilled_us = now_us;
  }
  if (slot.answers_left >= 1) {
    slot.answers_left -= 1;
    return Verdict::kAnswer;
  }
  slot.truncate_next = !slot.truncate_next;
  return slot.truncate_next ? Verdict::kTruncate : Verdict::kDrop;
}

}  // namespace berth::dns
