#pragma once

#include <vector>

#include "absl/time/time.h"
#include "rbd/doctor/finding.h"
#include "rbd/doctor/observation.h"

namespace berth {

// A CreateVolume that was begun this long ago and did not finish has been given up: an RPC ends
// after ten minutes (csi/rpc.h), and what it left running after as many of Ceph's timeouts.
inline constexpr absl::Duration kAbandonedCreate = absl::Hours(1);

// A node says that it is there every 30 s. After the first it is worth a look, after the second its
// registration may be removed; when it comes back it registers anew.
inline constexpr absl::Duration kSilentNode = absl::Minutes(5);
inline constexpr absl::Duration kGoneNode = absl::Hours(24);

// What is wrong with what was seen, the gravest first. Pure.
std::vector<Finding> Diagnose(const ObservedCluster& seen);

// Its parts; each appends.
void DiagnoseCeph(const ObservedCluster& seen, std::vector<Finding>& findings);
void DiagnoseVolumes(const ObservedCluster& seen, const ObservedNamespace& in,
                     std::vector<Finding>& findings);
void DiagnoseTrash(const ObservedCluster& seen, const ObservedNamespace& in,
                   std::vector<Finding>& findings);
void DiagnoseClaims(const ObservedCluster& seen, const ObservedNamespace& in,
                    std::vector<Finding>& findings);
void DiagnoseFences(const ObservedCluster& seen, const ObservedNamespace& in,
                    std::vector<Finding>& findings);
void DiagnoseBlocklist(const ObservedCluster& seen, std::vector<Finding>& findings);
void DiagnoseNodes(const ObservedCluster& seen, std::vector<Finding>& findings);

// The node `node_id` as it registered; nullptr when it did not.
const NodeRecord* FindNode(const ObservedCluster& seen, const std::string& node_id);
// "a, b and 7 more"
std::string SomeOf(const std::vector<std::string>& names);

}  // namespace berth
