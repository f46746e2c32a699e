#include "base/signals.h"

namespace berth {

SignalWaiter::SignalWaiter(std::initializer_list<int> signals) {
  std::signal(SIGPIPE, SIG_IGN);
  sigemptyset(&set_);
  for (const int signal : signals) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int SignalWaiter::Wait() const {
  for (;;) {
    const int signal = sigwaitinfo(&set_, nullptr);
    if (signal > 0) return signal;
  }
}

int SignalWaiter::WaitFor(absl::Duration timeout) const {
  const timespec limit = absl::ToTimespec(timeout);
  const int signal = sigtimedwait(&set_, nullptr, &limit);
  return signal > 0 ? signal : 0;
}

}  // namespace berth
