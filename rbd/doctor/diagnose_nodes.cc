#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>

#include "rbd/doctor/diagnosis.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

// Between the clocks of two machines. What is written next to a time assumes less.
constexpr absl::Duration kClockTolerance = absl::Seconds(30);

size_t HeldBy(const ObservedCluster& seen, const std::string& node) {
  size_t held = 0;
  for (const ObservedNamespace& in : seen.namespaces) {
    held += static_cast<size_t>(
        std::count_if(in.records.begin(), in.records.end(),
                      [&](const VolumeRecord& record) { return Holds(record, node); }));
  }
  return held;
}

bool IsNamedByAFence(const ObservedCluster& seen, const std::string& node) {
  const auto named = [&](const FenceRecord& fence) { return fence.node == node; };
  return std::any_of(seen.namespaces.begin(), seen.namespaces.end(),
                     [&](const ObservedNamespace& in) {
                       return std::any_of(in.fences.begin(), in.fences.end(), named);
                     });
}

std::string Name(const ObservedCluster& seen, const std::string& node) {
  return fmt::format("node {} in {}", node, seen.alias);
}

void DiagnoseSilence(const ObservedCluster& seen, const NodeRecord& node,
                     std::vector<Finding>& findings) {
  const absl::Duration silence = seen.now - absl::FromUnixSeconds(node.seen_s);
  if (silence < kSilentNode) return;
  const size_t held = HeldBy(seen, node.node_id);
  Finding finding = {
      .severity = held > 0 ? Severity::kWarning : Severity::kInfo,
      .kind = "node-silent",
      .object = Name(seen, node.node_id),
      .problem = fmt::format("its berth-node was last heard {} ago; volumes that it holds: {}",
                             absl::FormatDuration(absl::Floor(silence, absl::Seconds(1))), held),
      .impact =
          "volumes are published to it that it cannot attach, and those that it holds are "
          "given to nobody else",
      .advice = held > 0
                    ? fmt::format("look at its berth-node; if the node is dead, delete its Node "
                                  "or taint it as out-of-service, or `berth fence {}`",
                                  node.node_id)
                    : "look at its berth-node, if the node is meant to be there"};
  if (held == 0 && silence >= kGoneNode && seen.unseen.empty() &&
      !IsNamedByAFence(seen, node.node_id)) {
    finding.remedy =
        Remedy{RemedyKind::kForgetNode, VolumeHandle{seen.alias, "", "", ""}, node.node_id, 0};
  }
  findings.push_back(std::move(finding));
}

void DiagnoseClock(const ObservedCluster& seen, const NodeRecord& node,
                   std::vector<Finding>& findings) {
  const absl::Duration ahead = absl::FromUnixSeconds(node.seen_s) - seen.now;
  if (ahead <= kClockTolerance) return;
  findings.push_back(
      {.severity = Severity::kWarning,
       .kind = "node-clock",
       .object = Name(seen, node.node_id),
       .problem = fmt::format("its clock is at least {} ahead of the controller's",
                              absl::FormatDuration(ahead)),
       .impact = "no safety depends on it; times in lists are wrong, and it is not found out when "
                 "the node falls silent",
       .advice = "set both by NTP"});
}

struct Release {
  int major = 0;
  int minor = 0;
};

std::optional<Release> ParseRelease(const std::string& version) {
  Release release;
  char dot = 0;
  std::istringstream text(version);
  text >> release.major >> dot >> release.minor;
  return text.fail() || dot != '.' ? std::nullopt : std::optional(release);
}

void DiagnoseVersion(const ObservedCluster& seen, const NodeRecord& node,
                     std::vector<Finding>& findings) {
  const std::optional<Release> ours = ParseRelease(seen.version);
  const std::optional<Release> theirs = ParseRelease(node.version);
  if (ours && theirs && ours->major == theirs->major &&
      std::abs(ours->minor - theirs->minor) <= 1) {
    return;
  }
  findings.push_back(
      {.severity = Severity::kWarning,
       .kind = "node-version",
       .object = Name(seen, node.node_id),
       .problem = fmt::format("berth-node is of version {}, the controller of {}", node.version,
                              seen.version),
       .impact = "only versions one apart work together: one may not read what the other writes",
       .advice = "finish the upgrade, one minor version after the other"});
}

void DiagnoseFencedNodes(const ObservedCluster& seen, std::vector<Finding>& findings) {
  for (const NodeFence& fence : seen.node_fences) {
    const bool known = FindNode(seen, fence.node_id) != nullptr;
    findings.push_back(
        {.severity = Severity::kInfo,
         .kind = "node-fenced",
         .object = Name(seen, fence.node_id),
         .problem = fmt::format("it is fenced since {}{} ({})",
                                absl::FormatTime(absl::FromUnixSeconds(fence.since_s)),
                                known ? "" : ", and no such node is registered", fence.reason),
         .impact = "it gets no volumes",
         .advice = fmt::format("`berth unfence {}` ends it", fence.node_id)});
  }
}

}  // namespace

void DiagnoseNodes(const ObservedCluster& seen, std::vector<Finding>& findings) {
  for (const NodeRecord& node : seen.nodes) {
    DiagnoseSilence(seen, node, findings);
    DiagnoseClock(seen, node, findings);
    DiagnoseVersion(seen, node, findings);
  }
  DiagnoseFencedNodes(seen, findings);
}

}  // namespace berth
