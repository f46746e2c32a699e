#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "rbd/fences.h"
#include "rbd/nodes.h"
#include "rbd/record.h"
#include "rbd/volume_handle.h"

namespace berth {

// What was read of a cluster, without a judgement: rbd/doctor/diagnosis.h has that.

struct ObservedImage {
  std::string name;  // in the trash: the name that it had
  std::string id;
  // Of images with a record only; for others nothing is read.
  bool has_header = true;
  size_t snapshots = 0;
  bool has_clones = false;
};

// One RADOS namespace of a pool.
struct ObservedNamespace {
  VolumeHandle where;  // no image
  std::vector<VolumeRecord> records;
  std::vector<TrashRecord> trash_records;
  std::map<std::string, ObservedImage> images;  // by name
  std::map<std::string, ObservedImage> trash;   // by id
  std::vector<FenceRecord> fences;
};

struct HealthCheck {
  std::string name;      // "MON_CLOCK_SKEW"
  std::string severity;  // "HEALTH_WARN" or "HEALTH_ERR"
  std::string summary;
};

// What the monitors say.
struct CephState {
  absl::Duration answer_time;  // of the first question
  std::vector<std::string> monitors;
  std::vector<std::string> monitors_out;  // of these, those that are not in the quorum
  std::map<std::string, int> versions;  // "ceph version 16.2.15 (…) pacific (stable)" → daemons
  std::vector<HealthCheck> health;      // muted checks are left out
};

struct MissingCaps {
  std::string object;  // cluster or pool
  std::string caps;    // "mon 'profile rbd'"
  std::string needed_for;
};

// Something that could not be looked at, or not be read.
struct Unseen {
  std::string kind;  // of the finding: "record-unreadable"
  std::string object;
  Status why;
};

struct ObservedCluster {
  std::string alias;
  std::string user;     // the Ceph user, without "client."
  absl::Time now;       // when it was looked at
  std::string version;  // of the program that looked
  Status connected;     // not OK: nothing else was read
  CephState ceph;
  std::vector<MissingCaps> missing_caps;
  std::vector<std::string> closed_pools;  // that this user may not read
  std::vector<ObservedNamespace> namespaces;
  std::vector<NodeRecord> nodes;
  std::vector<NodeFence> node_fences;
  std::map<std::string, int64_t> blocklist;  // address → Unix time at which it ends, in seconds
  std::vector<Unseen> unseen;                // not empty: what seems to be missing may be there
};

}  // namespace berth
