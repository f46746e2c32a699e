#include <spdlog/fmt/fmt.h>

#include <set>
#include <utility>

#include "rbd/doctor/diagnosis.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

// What is asked of one record.
struct Volume {
  const ObservedCluster& seen;
  const ObservedNamespace& in;
  const VolumeRecord& record;
  const ObservedImage* image;  // under the record's name; nullptr: none

  std::string Name() const {
    VolumeHandle volume = in.where;
    volume.image = record.image;
    return volume.ToString();
  }
  Remedy By(RemedyKind kind) const {
    return {.kind = kind, .where = in.where, .key = record.image};
  }
};

constexpr char kForeignImpact[] =
    "Berth never deletes or changes it; a PersistentVolume written by hand can use it";

Finding Unfinished(const Volume& volume, absl::Duration age, bool age_is_known) {
  Finding finding = {
      .severity = Severity::kWarning,
      .kind = "create-unfinished",
      .object = volume.Name(),
      .problem = age_is_known
                     ? fmt::format("its creation began {} ago and was not finished",
                                   absl::FormatDuration(absl::Floor(age, absl::Minutes(1))))
                     : "its creation was not finished",
      .impact = "the name is taken; the claim it was made for waits, or was deleted",
      .advice = "if its claim still waits, its events say why; the next attempt goes on from here"};
  if (age_is_known && age >= kAbandonedCreate && volume.image == nullptr) {
    finding.remedy = volume.By(RemedyKind::kForgetRecord);
  }
  return finding;
}

void DiagnoseCreating(const Volume& volume, std::vector<Finding>& findings) {
  constexpr absl::Duration kPatience = absl::Minutes(10);
  const bool known = volume.record.attempted_s != 0;
  const absl::Duration age = volume.seen.now - absl::FromUnixSeconds(volume.record.attempted_s);
  if (known && age < kPatience) return;
  findings.push_back(Unfinished(volume, age, known));
}

// Where the image of a record is that is not under its name.
std::string Whereabouts(const Volume& volume) {
  for (const auto& [name, image] : volume.in.images) {
    if (image.id == volume.record.image_id) return name;
  }
  return "";
}

void DiagnoseMissing(const Volume& volume, std::vector<Finding>& findings) {
  const VolumeRecord& record = volume.record;
  const std::string renamed = Whereabouts(volume);
  const bool foreign = record.state == VolumeState::kForeign;
  Finding finding = {.severity = foreign ? Severity::kWarning : Severity::kError,
                     .kind = "image-missing",
                     .object = volume.Name(),
                     .problem = "its image does not exist",
                     .impact = "pods that use it cannot start"};
  if (!renamed.empty()) {
    finding.problem = fmt::format("its image was renamed to \"{}\"", renamed);
    finding.advice = fmt::format("`rbd rename` brings \"{}\" back to its name", renamed);
  } else if (volume.in.trash.contains(record.image_id)) {
    finding.problem = "somebody moved its image to RBD's trash";
    finding.advice = fmt::format("`rbd trash restore {}` brings it back", record.image_id);
  } else if (foreign) {
    finding.advice = "delete the PersistentVolume that names it, unless the image comes back";
    if (HeldClaims(record).empty()) {
      finding.remedy = volume.By(RemedyKind::kForgetRecord);
    }
  } else {
    finding.advice =
        "its data is lost unless the image is somewhere else (a mirror, another pool); when it is "
        "not to come back, delete the volume's claim";
  }
  findings.push_back(std::move(finding));
}

void DiagnoseReplaced(const Volume& volume, std::vector<Finding>& findings) {
  // A foreign image's owner may do that; the record follows when it is published next.
  if (volume.record.state == VolumeState::kForeign) return;
  findings.push_back(
      {.severity = Severity::kError,
       .kind = "image-replaced",
       .object = volume.Name(),
       .problem = fmt::format("its image has the id {}, and Berth made the one with {}",
                              volume.image->id, volume.record.image_id),
       .impact = "pods get the data of another image; it is not deleted with the volume",
       .advice = "find out who put it there; `rbd trash ls` shows whether the old one is left"});
}

void DiagnoseFinished(const Volume& volume, std::vector<Finding>& findings) {
  if (volume.image == nullptr) return DiagnoseMissing(volume, findings);
  if (volume.image->id != volume.record.image_id) return DiagnoseReplaced(volume, findings);
  if (!volume.image->has_header) {
    findings.push_back({.severity = Severity::kError,
                        .kind = "image-broken",
                        .object = volume.Name(),
                        .problem = "its image has a name and no header: somebody removed a part",
                        .impact = "it cannot be opened",
                        .advice = "restore the volume from a backup"});
  } else if (volume.image->snapshots > 0 && volume.record.state == VolumeState::kReady) {
    findings.push_back(
        {.severity = Severity::kInfo,
         .kind = "snapshots-foreign",
         .object = volume.Name(),
         .problem =
             fmt::format("it has snapshots that Berth did not make ({}){}", volume.image->snapshots,
                         volume.image->has_clones ? ", and images cloned from them" : ""),
         .impact = "once the volume is deleted, its space is not given back until they are gone",
         .advice = "`rbd snap ls` shows them; whoever made them removes them"});
  }
}

void DiagnoseDeleting(const Volume& volume, std::vector<Finding>& findings) {
  findings.push_back({.severity = Severity::kWarning,
                      .kind = "delete-unfinished",
                      .object = volume.Name(),
                      .problem = "its deletion began and is not finished",
                      .impact = "its space is not given back, and its name is taken",
                      .advice = "the controller tries again every five minutes, and its log says "
                                "why it fails: a Ceph client may have the image open",
                      .remedy = volume.By(RemedyKind::kFinishDelete)});
}

void DiagnoseForeign(const ObservedNamespace& in, std::vector<Finding>& findings,
                     const ObservedCluster& seen) {
  std::set<std::string> known;
  for (const VolumeRecord& record : in.records) known.insert(record.image);
  for (const Unseen& unseen : seen.unseen) {
    if (unseen.kind != "record-unreadable") continue;
    known.insert(unseen.object.substr(unseen.object.rfind('/') + 1));
  }
  std::vector<std::string> foreign;
  for (const auto& [name, image] : in.images) {
    if (!known.contains(name)) foreign.push_back(name);
  }
  if (foreign.empty()) return;
  findings.push_back({.severity = Severity::kInfo,
                      .kind = "images-foreign",
                      .object = in.where.PoolToString(),
                      .problem = fmt::format("images that Berth did not make ({}): {}",
                                             foreign.size(), SomeOf(foreign)),
                      .impact = kForeignImpact,
                      .advice = "nothing; `rbd rm` if nobody needs them"});
}

}  // namespace

void DiagnoseVolumes(const ObservedCluster& seen, const ObservedNamespace& in,
                     std::vector<Finding>& findings) {
  for (const VolumeRecord& record : in.records) {
    const auto image = in.images.find(record.image);
    const Volume volume = {seen, in, record, image == in.images.end() ? nullptr : &image->second};
    switch (record.state) {
      case VolumeState::kCreating:
        DiagnoseCreating(volume, findings);
        break;
      case VolumeState::kReady:
      case VolumeState::kForeign:
        DiagnoseFinished(volume, findings);
        break;
      case VolumeState::kDeleting:
        DiagnoseDeleting(volume, findings);
        break;
    }
  }
  DiagnoseForeign(in, findings, seen);
}

}  // namespace berth
