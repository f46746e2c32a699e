#include <spdlog/fmt/fmt.h>

#include <set>
#include <utility>

#include "rbd/doctor/diagnosis.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

// Berth's own fences last years, others' an hour (Ceph's default) or a day.
constexpr absl::Duration kOnlyAFence = absl::Hours(24 * 30);

struct Fence {
  const ObservedCluster& seen;
  const ObservedNamespace& in;
  const FenceRecord& record;

  std::string Name() const {
    return fmt::format("client {} of {}/{}", record.instance, in.where.PoolToString(),
                       record.image);
  }
  Remedy By(RemedyKind kind) const {
    return {.kind = kind, .where = in.where, .key = record.instance};
  }
};

Finding NotInForce(const Fence& fence) {
  return {
      .severity = Severity::kError,
      .kind = "fence-not-in-force",
      .object = fence.Name(),
      .problem = fmt::format("it was cut off from node {} and Ceph's blocklist does not have it",
                             fence.record.node),
      .impact = "if it still runs it may write beside the volume's new holder",
      .advice =
          "the controller brings it back within a minute unless its log says why not; "
          "find out who removes entries",
      .remedy = fence.By(RemedyKind::kRestoreFence)};
}

Finding Outlived(const Fence& fence) {
  return {.severity = Severity::kInfo,
          .kind = "fence-outlived",
          .object = fence.Name(),
          .problem = fmt::format("node {} has booted since, so it is gone", fence.record.node),
          .impact = "its fence is not needed any more",
          .advice = "nothing: the controller forgets it within a minute",
          .remedy = fence.By(RemedyKind::kForgetFence)};
}

Finding OfUnknownNode(const Fence& fence) {
  return {.severity = Severity::kInfo,
          .kind = "fence-node-unknown",
          .object = fence.Name(),
          .problem = fmt::format("node {} is not registered, so nobody can prove that it is gone",
                                 fence.record.node),
          .impact = "its fence is kept for years, one line in Ceph's OSD map",
          .advice = "nothing; it ends when a node of that name registers again"};
}

}  // namespace

void DiagnoseFences(const ObservedCluster& seen, const ObservedNamespace& in,
                    std::vector<Finding>& findings) {
  for (const FenceRecord& record : in.fences) {
    const Fence fence = {seen, in, record};
    const NodeRecord* const node = FindNode(seen, record.node);
    if (node != nullptr && !record.boot_id.empty() && node->boot_id != record.boot_id) {
      findings.push_back(Outlived(fence));
    } else if (seen.unseen.empty() && !seen.blocklist.contains(record.instance)) {
      findings.push_back(NotInForce(fence));
    } else if (seen.unseen.empty() && node == nullptr) {
      findings.push_back(OfUnknownNode(fence));
    }
  }
}

void DiagnoseBlocklist(const ObservedCluster& seen, std::vector<Finding>& findings) {
  // Records that could not be read may account for any of them.
  if (!seen.unseen.empty()) return;
  std::set<std::string> known;
  for (const ObservedNamespace& in : seen.namespaces) {
    for (const FenceRecord& fence : in.fences) known.insert(fence.instance);
    for (const VolumeRecord& record : in.records) {
      for (const WriterClaim& claim : HeldClaims(record)) {
        known.insert(claim.instances.begin(), claim.instances.end());
      }
    }
  }
  std::vector<std::string> rest;
  const int64_t long_after_s = absl::ToUnixSeconds(seen.now + kOnlyAFence);
  for (const auto& [address, until_s] : seen.blocklist) {
    if (until_s > long_after_s && !known.contains(address)) rest.push_back(address);
  }
  if (rest.empty()) return;
  findings.push_back(
      {.severity = Severity::kInfo,
       .kind = "blocklist-unaccounted",
       .object = seen.alias,
       .problem = fmt::format("{} entries of Ceph's blocklist last for months and have no fence "
                              "record: {}",
                              rest.size(), SomeOf(rest)),
       .impact = "none: they are fences whose client is gone, which the caps 'profile rbd' may not "
                 "remove; each is a line in Ceph's OSD map",
       .advice = "leave them, or `ceph osd blocklist rm` those that are nobody else's"});
}

}  // namespace berth
