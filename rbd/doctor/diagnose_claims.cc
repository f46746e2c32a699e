#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "rbd/doctor/diagnosis.h"
#include "rbd/volume_claims.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

// What one node has of a volume.
struct Claim {
  const ObservedCluster& seen;
  const ObservedNamespace& in;
  const VolumeRecord& record;
  const WriterClaim& writer;

  std::string Name() const {
    VolumeHandle volume = in.where;
    volume.image = record.image;
    return volume.ToString();
  }
  Remedy By(RemedyKind kind) const {
    return {.kind = kind, .where = in.where, .key = record.image, .epoch = writer.epoch};
  }
};

void DiagnoseRevoking(const Claim& claim, std::vector<Finding>& findings) {
  findings.push_back(
      {.severity = Severity::kWarning,
       .kind = "claim-revoking",
       .object = claim.Name(),
       .problem = fmt::format("it is being taken from node {}, and that is not finished",
                              claim.writer.node),
       .impact = "no other node gets the volume, and the old one cannot open it any more",
       .advice = "whoever began it tries again; the remedy does so now",
       .remedy = claim.By(RemedyKind::kFinishRevoke)});
}

void DiagnoseFencedHolder(const Claim& claim, std::vector<Finding>& findings) {
  findings.push_back(
      {.severity = Severity::kError,
       .kind = "claim-node-fenced",
       .object = claim.Name(),
       .problem = fmt::format("node {} is fenced and still holds it", claim.writer.node),
       .impact = "it may still write there, and no other node gets the volume",
       .advice =
           fmt::format("repeat `berth fence {}`, which says why it failed", claim.writer.node),
       .remedy = claim.By(RemedyKind::kRevokeClaim)});
}

void DiagnoseUnknownHolder(const Claim& claim, std::vector<Finding>& findings) {
  findings.push_back(
      {.severity = Severity::kWarning,
       .kind = "claim-node-unregistered",
       .object = claim.Name(),
       .problem = fmt::format("node {} holds it and is not registered", claim.writer.node),
       .impact = "no other node gets the volume",
       .advice = fmt::format("start berth-node there; if the node is gone, delete its Node or the "
                             "volume's VolumeAttachment, or `berth fence {}`",
                             claim.writer.node)});
}

// Clients that were blocklisted while they are in a claim that nobody is taking away: not by us.
void DiagnoseCutOffClients(const Claim& claim, std::vector<Finding>& findings) {
  for (const std::string& instance : claim.writer.instances) {
    if (IsDead(claim.writer, instance) || !claim.seen.blocklist.contains(instance)) continue;
    findings.push_back(
        {.severity = Severity::kError,
         .kind = "claim-client-blocked",
         .object = claim.Name(),
         .problem = fmt::format("its client {} on node {} is in Ceph's blocklist, and Berth did "
                                "not take the volume from it",
                                instance, claim.writer.node),
         .impact = "the pod that uses it gets I/O errors",
         .advice = "delete the pod: the next one gets a new client"});
  }
}

void DiagnoseRebootedHolder(const Claim& claim, const NodeRecord& node,
                            std::vector<Finding>& findings) {
  if (claim.writer.boot_id.empty() || claim.writer.boot_id == node.boot_id) return;
  findings.push_back({.severity = Severity::kInfo,
                      .kind = "claim-before-boot",
                      .object = claim.Name(),
                      .problem = fmt::format("node {} has booted since it opened it", node.node_id),
                      .impact = "nothing of that time can write any more",
                      .advice = "nothing while its pod starts there again; when there is no such "
                                "pod, `kubectl get volumeattachment` shows who keeps it there"});
}

void DiagnoseClaim(const Claim& claim, std::vector<Finding>& findings) {
  if (claim.writer.state == ClaimState::kRevoking) return DiagnoseRevoking(claim, findings);
  const std::vector<NodeFence>& fences = claim.seen.node_fences;
  if (std::any_of(fences.begin(), fences.end(),
                  [&](const NodeFence& fence) { return fence.node_id == claim.writer.node; })) {
    return DiagnoseFencedHolder(claim, findings);
  }
  DiagnoseCutOffClients(claim, findings);
  const NodeRecord* const node = FindNode(claim.seen, claim.writer.node);
  if (node != nullptr) {
    DiagnoseRebootedHolder(claim, *node, findings);
  } else if (claim.seen.unseen.empty()) {
    DiagnoseUnknownHolder(claim, findings);
  }
}

}  // namespace

void DiagnoseClaims(const ObservedCluster& seen, const ObservedNamespace& in,
                    std::vector<Finding>& findings) {
  for (const VolumeRecord& record : in.records) {
    for (const WriterClaim& claim : HeldClaims(record)) {
      DiagnoseClaim({seen, in, record, claim}, findings);
    }
  }
}

}  // namespace berth
