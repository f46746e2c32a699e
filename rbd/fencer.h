#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"

namespace berth {

// How long Ceph keeps a fence. Five years, as others who fence clients of RBD have it: Ceph cannot
// lengthen an entry, one that lapses has to be brought back, and in between a process that was
// paused all that time could write.
inline constexpr std::chrono::seconds kFenceDuration{157'784'760};

// For a client whose process is dead: what it had sent may still be on its way to an OSD.
inline constexpr std::chrono::hours kDeadClientFence{1};

// The little of Ceph's blocklist that revoking a claim stands on, so that the protocol can be
// explored without a cluster. RadosClient is the real one. Thread-safe.
class Fencer {
 public:
  virtual ~Fencer() = default;

  // Blocklists the client instance `address` for at least `duration`, and waits for the map that
  // says so. Ceph does not lengthen an entry that is there (seen on 16.2: "add" answers with the
  // new time and keeps the old one), so a shorter one is removed first: OK means that the whole
  // duration is kept, FAILED_PRECONDITION that the shorter one may not be removed, naming the caps
  // and its end. PERMISSION_DENIED naming the missing caps; DEADLINE_EXCEEDED with an unknown
  // outcome: repeat it.
  virtual Status Fence(const std::string& address, std::chrono::seconds duration) const = 0;

  // Blocklists it anew if nothing of it is in force; else changes nothing. Errors as Fence.
  virtual Status FenceIfMissing(const std::string& address,
                                std::chrono::seconds duration) const = 0;

  // The cluster's whole blocklist: addresses, each with the Unix time in seconds at which it ends.
  // Whole hosts, which Ceph lists as ranges, are left out.
  virtual StatusOr<std::map<std::string, int64_t>> Blocklist() const = 0;

  // Takes the entry out, for an instance that is proved gone. PERMISSION_DENIED with the caps that
  // RBD's own profile gives: it lapses by itself then.
  virtual Status Lift(const std::string& address) const = 0;
};

}  // namespace berth
