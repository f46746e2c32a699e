#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/fd.h"

namespace berth::kube {

// Asks blocking work to end, once and for good. A descriptor, so that a thread can wait for it
// together with its sockets. Thread-safe.
class Cancellation {
 public:
  Cancellation() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void Cancel() {
    const uint64_t one = 1;
    // Fails only when the counter is full, and then the descriptor is readable already.
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof(one));
  }
  bool cancelled() const { return WaitFor(absl::ZeroDuration()); }
  // Blocks for at most `duration`; true when cancelled.
  bool WaitFor(absl::Duration duration) const {
    const absl::Time end = absl::Now() + duration;
    while (true) {
      pollfd waited{fd_.get(), POLLIN, 0};
      const int64_t left_ms = absl::ToInt64Milliseconds(
          absl::Ceil(std::max(absl::ZeroDuration(), std::min(end - absl::Now(), absl::Hours(1))),
                     absl::Milliseconds(1)));
      if (::poll(&waited, 1, static_cast<int>(left_ms)) > 0) return true;
      if (absl::Now() >= end) return false;
    }
  }
  // Readable once cancelled, for ever.
  int fd() const { return fd_.get(); }

 private:
  const Fd fd_;
};

}  // namespace berth::kube
