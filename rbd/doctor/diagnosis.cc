#include "rbd/doctor/diagnosis.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "absl/strings/str_join.h"

namespace berth {

std::vector<Finding> Diagnose(const ObservedCluster& seen) {
  std::vector<Finding> findings;
  DiagnoseCeph(seen, findings);
  for (const ObservedNamespace& in : seen.namespaces) {
    DiagnoseVolumes(seen, in, findings);
    DiagnoseTrash(seen, in, findings);
    DiagnoseClaims(seen, in, findings);
    DiagnoseFences(seen, in, findings);
  }
  DiagnoseBlocklist(seen, findings);
  DiagnoseNodes(seen, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return findings;
}

const NodeRecord* FindNode(const ObservedCluster& seen, const std::string& node_id) {
  const auto found = std::find_if(seen.nodes.begin(), seen.nodes.end(),
                                  [&](const NodeRecord& node) { return node.node_id == node_id; });
  return found == seen.nodes.end() ? nullptr : &*found;
}

std::string SomeOf(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  if (names.size() <= kShown) return absl::StrJoin(names, ", ");
  return fmt::format("{} and {} more", absl::StrJoin(names.begin(), names.begin() + kShown, ", "),
                     names.size() - kShown);
}

}  // namespace berth
