#include "csi/admin/doctor_messages.h"

#include <optional>
#include <string>

namespace berth {
namespace {

admin::v1::ClusterSummary ToMessage(const ClusterSummary& summary) {
  admin::v1::ClusterSummary message;
  message.set_cluster(summary.cluster);
  message.set_connected(summary.connected);
  message.set_answer_us(absl::ToInt64Microseconds(summary.ceph.answer_time));
  for (const std::string& name : summary.ceph.monitors) message.add_monitors(name);
  for (const std::string& name : summary.ceph.monitors_out) message.add_monitors_out(name);
  for (const auto& [version, daemons] : summary.ceph.versions) message.add_ceph_versions(version);
  message.set_volumes(static_cast<uint32_t>(summary.volumes));
  message.set_nodes(static_cast<uint32_t>(summary.nodes));
  return message;
}

admin::v1::Remedy ToMessage(const Remedy& remedy) {
  admin::v1::Remedy message;
  message.set_name(std::string(RemedyName(remedy.kind)));
  message.set_cluster(remedy.where.cluster);
  message.set_pool(remedy.where.pool);
  message.set_rados_namespace(remedy.where.rados_namespace);
  message.set_key(remedy.key);
  message.set_epoch(remedy.epoch);
  message.set_description(remedy.Describe());
  return message;
}

admin::v1::Finding ToMessage(const Finding& finding) {
  admin::v1::Finding message;
  message.set_severity(std::string(SeverityName(finding.severity)));
  message.set_kind(finding.kind);
  message.set_object(finding.object);
  message.set_problem(finding.problem);
  message.set_impact(finding.impact);
  message.set_advice(finding.advice);
  if (finding.remedy) *message.mutable_remedy() = ToMessage(*finding.remedy);
  return message;
}

StatusOr<Remedy> FromMessage(const admin::v1::Remedy& message) {
  const std::optional<RemedyKind> kind = FindRemedy(message.name());
  if (!kind) {
    return absl::UnimplementedError("this controller's version has no remedy \"" + message.name() +
                                    "\"; ask again, perhaps another one answers");
  }
  return Remedy{.kind = *kind,
                .where = {message.cluster(), message.pool(), message.rados_namespace(), ""},
                .key = message.key(),
                .epoch = message.epoch()};
}

}  // namespace

admin::v1::ExamineResponse ToMessage(const Examination& examination) {
  admin::v1::ExamineResponse message;
  for (const ClusterSummary& cluster : examination.clusters) {
    *message.add_clusters() = ToMessage(cluster);
  }
  for (const Finding& finding : examination.findings) *message.add_findings() = ToMessage(finding);
  return message;
}

admin::v1::RepairOutcome Apply(Doctor& doctor, const admin::v1::Remedy& remedy) {
  admin::v1::RepairOutcome message;
  *message.mutable_remedy() = remedy;
  const StatusOr<Remedy> known = FromMessage(remedy);
  const Status status = known.ok() ? doctor.Apply(*known) : known.status();
  message.set_outcome(status.ok() ? "done" : absl::IsAborted(status) ? "skipped" : "failed");
  message.set_message(std::string(status.message()));
  return message;
}

}  // namespace berth
