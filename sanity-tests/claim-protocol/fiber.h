#pragma once

#include <boost/context/fiber.hpp>
#include <functional>
#include <utility>

namespace berth::exploration {

// A program that runs until it suspends itself, in the thread of whoever resumes it. One that is
// destroyed before its end has its stack unwound. Not movable: the program knows its address.
class Fiber {
 public:
  explicit Fiber(std::function<void()> program)
      : inside_([this, program = std::move(program)](boost::context::fiber&& outside) {
          outside_ = std::move(outside);
          program();
          return std::move(outside_);
        }) {}
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Until it suspends itself or ends. Requires !HasEnded().
  void Resume() { inside_ = std::move(inside_).resume(); }
  // By the program itself.
  void Suspend() { outside_ = std::move(outside_).resume(); }
  bool HasEnded() const { return !inside_; }

 private:
  boost::context::fiber outside_;
  boost::context::fiber inside_;
};

}  // namespace berth::exploration
