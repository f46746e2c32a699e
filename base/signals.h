#pragma once

#include <csignal>
#include <initializer_list>

namespace berth {

// Takes the given signals for the whole process: they are blocked in this thread and in every
// thread that it starts afterwards, so make one first in main. SIGPIPE is ignored from then on.
class SignalWaiter {
 public:
  SignalWaiter(std::initializer_list<int> signals);
  // Blocks until one of them arrives; its number.
  int Wait() const;

 private:
  sigset_t set_;
};

}  // namespace berth
