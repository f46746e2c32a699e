#pragma once

#include <csignal>
#include <initializer_list>

#include "absl/time/time.h"

namespace berth {

// Takes the given signals for the whole process: they are blocked in this thread and in every
// thread that it starts afterwards, so make one first in main. SIGPIPE is ignored from then on.
class SignalWaiter {
 public:
  SignalWaiter(std::initializer_list<int> signals);
  // Blocks until one of them arrives; its number.
  int Wait() const;
  // The same for at most `timeout`; 0 when none arrived.
  int WaitFor(absl::Duration timeout) const;

 private:
  sigset_t set_;
};

}  // namespace berth
