#include <spdlog/fmt/fmt.h>

#include <set>
#include <utility>

#include "rbd/doctor/diagnosis.h"

namespace berth {
namespace {

// The controller's sweeper comes by every five minutes.
constexpr absl::Duration kPurgePatience = absl::Hours(1);

std::string Name(const ObservedNamespace& in, const TrashRecord& record) {
  return fmt::format("{}/{} (image id {} in the trash)", in.where.PoolToString(), record.image,
                     record.image_id);
}

Remedy By(RemedyKind kind, const ObservedNamespace& in, const TrashRecord& record) {
  return {.kind = kind, .where = in.where, .key = record.image_id};
}

void DiagnoseOverdue(const ObservedCluster& seen, const ObservedNamespace& in,
                     const TrashRecord& record, const ObservedImage& image,
                     std::vector<Finding>& findings) {
  const absl::Duration late = seen.now - absl::FromUnixSeconds(record.purge_after_s);
  if (late < absl::ZeroDuration() || (image.snapshots == 0 && late < kPurgePatience)) return;
  Finding finding = {.severity = Severity::kWarning,
                     .kind = "trash-overdue",
                     .object = Name(in, record),
                     .impact = "its space is not given back"};
  if (image.snapshots > 0) {
    finding.problem =
        fmt::format("it cannot be purged because of its snapshots ({}){}", image.snapshots,
                    image.has_clones ? ", and other images are cloned from them" : "");
    finding.advice =
        fmt::format("`rbd snap purge --image-id {}`{}; it is purged by itself then",
                    record.image_id, image.has_clones ? " after `rbd flatten` of the clones" : "");
  } else {
    finding.problem = fmt::format("its time in the trash ended at {} and it is still there",
                                  absl::FormatTime(absl::FromUnixSeconds(record.purge_after_s)));
    finding.advice = "the controller's log says why it could not be purged";
    finding.remedy = By(RemedyKind::kPurgeTrash, in, record);
  }
  findings.push_back(std::move(finding));
}

void DiagnoseStale(const ObservedNamespace& in, const TrashRecord& record,
                   std::vector<Finding>& findings) {
  for (const auto& [name, image] : in.images) {
    if (image.id != record.image_id) continue;
    findings.push_back(
        {.severity = Severity::kInfo,
         .kind = "trash-restored",
         .object = Name(in, record),
         .problem = fmt::format("somebody restored it from RBD's trash as \"{}\"", name),
         .impact = "for Berth it is an image that it did not make: it is not deleted again",
         .advice = "write a PersistentVolume for it by hand"});
    return;
  }
  findings.push_back({.severity = Severity::kWarning,
                      .kind = "trash-record-stale",
                      .object = Name(in, record),
                      .problem = "somebody else purged it from RBD's trash",
                      .impact = "it cannot be brought back any more, though a record says it can",
                      .advice = "nothing: the record goes when its time is over",
                      .remedy = By(RemedyKind::kForgetTrash, in, record)});
}

void DiagnoseForeign(const ObservedNamespace& in, std::vector<Finding>& findings) {
  std::set<std::string> ids;
  std::set<std::string> names;
  for (const TrashRecord& record : in.trash_records) ids.insert(record.image_id);
  for (const VolumeRecord& record : in.records) {
    ids.insert(record.image_id);
    if (record.state == VolumeState::kDeleting) names.insert(record.image);
  }
  std::vector<std::string> foreign;
  for (const auto& [id, image] : in.trash) {
    if (!ids.contains(id) && !names.contains(image.name)) {
      foreign.push_back(fmt::format("{} ({})", id, image.name));
    }
  }
  if (foreign.empty()) return;
  findings.push_back(
      {.severity = Severity::kInfo,
       .kind = "trash-foreign",
       .object = in.where.PoolToString(),
       .problem = fmt::format("images in RBD's trash that no record of Berth names ({}): {}",
                              foreign.size(), SomeOf(foreign)),
       .impact = "they take space until somebody purges them; Berth does not",
       .advice = "`rbd trash ls --all`; `rbd trash rm` for those that nobody needs"});
}

}  // namespace

void DiagnoseTrash(const ObservedCluster& seen, const ObservedNamespace& in,
                   std::vector<Finding>& findings) {
  for (const TrashRecord& record : in.trash_records) {
    const auto image = in.trash.find(record.image_id);
    if (image == in.trash.end()) {
      DiagnoseStale(in, record, findings);
    } else {
      DiagnoseOverdue(seen, in, record, image->second, findings);
    }
  }
  DiagnoseForeign(in, findings);
}

}  // namespace berth
