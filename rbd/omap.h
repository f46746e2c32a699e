#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace berth {

// The little of RADOS that the registry stands on, so that tests can put another world in its
// place. The contract test in rbd/testing/omap_contract.h holds for every implementation.
// Thread-safe, blocking up to the client's operation timeout; DEADLINE_EXCEEDED then, and the
// outcome is unknown.
class OmapStore {
 public:
  struct Entry {
    std::string key;
    std::string value;
  };
  // One key's change inside an atomic update: what it must hold now (nullopt: absent) and what it
  // shall hold (nullopt: absent).
  struct Change {
    std::string key;
    std::optional<std::string> expected;
    std::optional<std::string> desired;
  };

  virtual ~OmapStore() = default;

  // The value of `key` in `object`; nullopt when the key or the object is absent.
  virtual StatusOr<std::optional<std::string>> Get(const std::string& object,
                                                   const std::string& key) = 0;

  // All of `changes` or none, in one operation on `object`. ABORTED when a key does not hold what
  // was expected; nothing has changed then. Values must not be empty (an absent key compares as
  // empty).
  virtual Status Update(const std::string& object, const std::vector<Change>& changes) = 0;

  // Up to `limit` entries whose key begins with `prefix` and follows `after`, in order; empty when
  // there are none.
  virtual StatusOr<std::vector<Entry>> List(const std::string& object, const std::string& prefix,
                                            const std::string& after, size_t limit) = 0;
};

// Every entry of `object` whose key begins with `prefix`, in order and page by page; `visit`
// returns false to stop. Errors as OmapStore::List, and those of `visit`.
Status ForEachEntry(OmapStore& store, const std::string& object, const std::string& prefix,
                    const std::function<StatusOr<bool>(const OmapStore::Entry&)>& visit);

}  // namespace berth
