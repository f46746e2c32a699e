#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/client.h"

namespace berth::rollout {

// One pod template that a set had.
struct Entry {
  statefulset::ObservedRevision revision;
  std::string change_cause;  // annotation kubernetes.io/change-cause; may be empty
};

// The set's ControllerRevisions, oldest number first. The errors of the API server.
StatusOr<std::vector<Entry>> ReadHistory(kube::ApiClient& api, const statefulset::StatefulSet& set);

// The entry with that number; 0: the one before the newest. NOT_FOUND says which numbers there are.
StatusOr<Entry> EntryOf(const std::vector<Entry>& history, int64_t number);

// A line per revision, with its number and cause.
std::string HistoryTable(const std::vector<Entry>& history);
nlohmann::json HistoryJson(const std::vector<Entry>& history);

struct Undone {
  int64_t revision = 0;  // whose template the set has now
  bool changed = false;  // false: it had that template already
};
// Gives the set the pod template of revision `number` (0: the one before the newest). `set` was
// just read: ABORTED when somebody changed its template meanwhile. Else the errors of ReadHistory,
// EntryOf and the API server.
StatusOr<Undone> Undo(kube::ApiClient& api, const statefulset::StatefulSet& set, int64_t number);

}  // namespace berth::rollout
