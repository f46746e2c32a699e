#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "base/writer_first_mutex.h"
#include "companion/dns/name.h"
#include "companion/dns/rr_set.h"

namespace berth::dns {

// A name of the zone. One without records is there for the names below it (RFC 8020): asking for it
// is NODATA and not NXDOMAIN.
class Node {
 public:
  // Nullptr when the name has no records of that type.
  const RrSet* Find(uint16_t wanted) const {
    for (const RrSet& set : sets_) {
      if (set.type() == wanted) return &set;
    }
    return nullptr;
  }

 private:
  friend class Zone;
  std::vector<RrSet> sets_;
  uint32_t children_ = 0;  // names one label below
};

// All names that this server answers for, forward and reverse. Thread-safe: any number of readers;
// writers one after the other. What one Apply changes is seen at once.
class Zone {
 public:
  // Keeps the zone as it is; short-lived, because a writer waits for it.
  class Reader {
   public:
    explicit Reader(const Zone& zone) : zone_(zone), lock_(zone.mutex_) {}
    // `name` is lower-cased. Nullptr: the name does not exist.
    const Node* Find(std::string_view name) const {
      const auto found = zone_.nodes_.find(name);
      return found == zone_.nodes_.end() ? nullptr : &found->second;
    }

   private:
    const Zone& zone_;
    std::shared_lock<WriterFirstMutex> lock_;
  };

  // `first_serial` is the SOA's serial before the first change; it grows with each.
  explicit Zone(uint32_t first_serial) : serial_(first_serial) {}

  // Each record counts once more or once less; equal ones in both cancel out. New answers are made
  // before readers are held up, which is then for the time of a few pointer moves a name.
  void Apply(std::vector<Record> removed, std::vector<Record> added);

  uint32_t serial() const { return serial_.load(std::memory_order_relaxed); }
  size_t names() const {
    const std::shared_lock<WriterFirstMutex> lock(mutex_);
    return nodes_.size();
  }

 private:
  // Seeded anew in each process, so that nobody can choose names that collide. Debian's absl has a
  // string_view of its own.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const {
      return absl::HashOf(absl::string_view(name.data(), name.size()));
    }
  };
  using Sets = std::vector<std::pair<Name, RrSet>>;
  RrSet Changed(const Name& owner, uint16_t type, const std::vector<RrSet::Change>& changes) const;
  void Put(const Name& owner, RrSet set);
  void AddToParents(std::string_view name);
  void RemoveIfUnused(std::string_view name);

  std::mutex writer_;
  mutable WriterFirstMutex mutex_;
  absl::flat_hash_map<Name, Node, Hash, std::equal_to<>> nodes_;
  std::atomic<uint32_t> serial_;
};

}  // namespace berth::dns
