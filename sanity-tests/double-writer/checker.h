#pragma once

#include <optional>
#include <string>
#include <vector>

#include "history.h"
#include "stamp.h"

namespace berth {

// Judges one volume by pictures of it, in their order. Between two pictures either one epoch wrote,
// or nobody may have. So each block of the later one holds
//   - a write of that epoch, not older than the last one that was acknowledged and then synced,
//   - or, if there is none such, what the earlier one held;
// anything else is a violation: a write of an old epoch that landed after a new one began, a lost
// write, a torn block.

// What happened between two pictures.
struct Interval {
  std::optional<History> writes;  // absent: nobody may write
  // The epoch was ended in order, by unpublish and unstage on its node: then every acknowledged
  // write counts as synced.
  bool ended_in_order = false;
};

// One line for each block that cannot be explained.
std::vector<std::string> CheckInterval(const Picture& before, const Interval& between,
                                       const Picture& after);

// The same along a volume's life; not thread-safe.
class Timeline {
 public:
  // `name` says when the picture was taken. What is wrong with it, empty for the first picture.
  std::vector<std::string> Add(const std::string& name, const Interval& between,
                               const Picture& picture);
  bool empty() const { return !last_; }

 private:
  std::optional<Picture> last_;
  std::string last_name_;
};

// What a writer itself saw go wrong: blocks that did not hold what it had written.
std::vector<std::string> Mismatches(const History& history);

}  // namespace berth
