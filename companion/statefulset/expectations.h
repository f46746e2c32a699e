#pragma once

#include <optional>
#include <string>
#include <vector>

namespace berth::statefulset {

// One of our own writes that a cache may not show yet.
struct Write {
  enum class Object { kPod, kClaim, kRevision };
  enum class Kind { kStored, kDeleted };
  Object object;
  Kind kind;
  std::string name;
  std::string uid;
  std::string resource_version;  // of kStored
};

// What a cache holds under a name.
struct Cached {
  std::string uid;
  std::string resource_version;
  bool terminating = false;
};

// Whether a cache that holds `cached` shows the write. `reached`: it is known to be as new as the
// write, whatever it holds.
bool IsShown(const Write& write, const std::optional<Cached>& cached, bool reached);

// The writes for one set that its caches have yet to show. While there are any, a plan would be
// made of the past, and could create or delete twice. Not thread-safe: a set is reconciled by one
// thread at a time.
class Expectations {
 public:
  void Add(Write write) { writes_.push_back(std::move(write)); }

  // Forgets what `shown` says is shown; true when nothing is left.
  template <typename Predicate>
  bool Met(Predicate shown) {
    std::erase_if(writes_, shown);
    return writes_.empty();
  }

 private:
  std::vector<Write> writes_;
};

}  // namespace berth::statefulset
