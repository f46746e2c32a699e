#pragma once

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace berth::kube {

// The delays before the repetitions of one failing operation: doubling from `base` to `max`, each
// shortened at random by up to the fraction `jitter` so that many clients do not come back at the
// same moment.
class Backoff {
 public:
  struct Options {
    absl::Duration base;
    absl::Duration max;
    double jitter;  // 0 to 1
  };

  explicit Backoff(const Options& options, uint64_t seed = std::random_device()())
      : options_(options), random_(seed), next_(options.base) {}

  absl::Duration Next() {
    const absl::Duration full = std::min(next_, options_.max);
    next_ = std::min(full * 2, options_.max);
    return full * (1.0 - options_.jitter * std::uniform_real_distribution<>(0, 1)(random_));
  }
  void Reset() { next_ = options_.base; }

 private:
  const Options options_;
  std::minstd_rand random_;
  absl::Duration next_;
};

}  // namespace berth::kube
