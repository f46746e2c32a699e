#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rbd/volume_handle.h"

namespace berth {

enum class Severity {
  kError,    // something does not work, or data is in danger
  kWarning,  // it works, and somebody should look at it
  kInfo,     // nothing is wrong; worth knowing
};
std::string_view SeverityName(Severity severity);

// What can be done without anybody's decision: each removes or repairs only what is provably
// Berth's own, and looks again whether that is so at the moment it acts (rbd/doctor/remedies.h).
enum class RemedyKind {
  kForgetRecord,  // key: image
  kFinishDelete,  // key: image
  kPurgeTrash,    // key: image id
  kForgetTrash,   // key: image id
  kFinishRevoke,  // key: image; epoch
  kRevokeClaim,   // key: image; epoch
  kRestoreFence,  // key: client instance
  kForgetFence,   // key: client instance
  kForgetNode,    // key: node; of the whole cluster
};
// The name of a remedy in messages, e.g. "forget-record", and back; nullopt for one that this
// version does not know.
std::string_view RemedyName(RemedyKind kind);
std::optional<RemedyKind> FindRemedy(std::string_view name);

struct Remedy {
  RemedyKind kind = RemedyKind::kForgetRecord;
  VolumeHandle where;  // no image; no pool either where the remedy is of the whole cluster
  std::string key;
  uint64_t epoch = 0;  // of the writer claim that was seen; 0 where none is meant
  bool operator==(const Remedy&) const = default;

  // What it does, for people who are asked whether it shall: "purge image id 12ab of lab/rbd".
  std::string Describe() const;
};

struct Finding {
  Severity severity = Severity::kInfo;
  std::string kind;    // for programs: a fixed word such as "image-missing"
  std::string object;  // what it is about: a volume's handle, "<cluster>/<pool>", a node, …
  std::string problem = {};
  std::string impact = {};  // why it matters
  std::string advice = {};  // what to do
  std::optional<Remedy> remedy = {};
};

}  // namespace berth
