#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace berth::exploration {

// A depth-first walk over all decisions of a program that is run again and again from its
// beginning. A state that was reached before is not looked into twice.
class Schedule {
 public:
  // One of `count` ways, 0 first. Requires count > 0, the same for the same decisions before it.
  size_t Choose(size_t count);

  // Whether the run still repeats the one before.
  bool Repeats() const { return position_ < decisions_.size(); }

  // Tells the state that the program is in, when it does not repeat. False when it was reached
  // before in another way: the run can end here.
  bool Reach(const std::string& state);

  // Prepares the next run. False when there is none left.
  bool Advance();
  // Prepares the same run once more.
  void Again() { position_ = 0; }

  size_t states() const { return states_.size(); }
  uint64_t runs() const { return runs_; }

 private:
  struct Decision {
    size_t taken = 0;
    size_t count = 0;
  };
  std::vector<Decision> decisions_;
  size_t position_ = 0;                  // in decisions_: before it this run repeats the one before
  std::unordered_set<uint64_t> states_;  // hashes: a collision hides a state, one in 10^8 runs
  uint64_t runs_ = 1;
};

}  // namespace berth::exploration
