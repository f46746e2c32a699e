#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "absl/strings/str_join.h"
#include "rbd/doctor/diagnosis.h"

namespace berth {
namespace {

// 16 for "ceph version 16.2.15 (…) pacific (stable)".
std::optional<int> MajorOf(std::string_view version) {
  constexpr std::string_view kBefore = "ceph version ";
  if (!version.starts_with(kBefore)) return std::nullopt;
  version.remove_prefix(kBefore.size());
  int major = 0;
  const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), major);
  return error == std::errc() ? std::optional(major) : std::nullopt;
}

void DiagnoseVersions(const ObservedCluster& seen, std::vector<Finding>& findings) {
  std::set<int> majors;
  std::vector<std::string> texts;
  for (const auto& [version, daemons] : seen.ceph.versions) {
    if (const std::optional<int> major = MajorOf(version)) majors.insert(*major);
    texts.push_back(fmt::format("{} ({} daemons)", version, daemons));
  }
  // Ceph is upgraded over at most two releases at once.
  if (majors.empty() || *majors.rbegin() - *majors.begin() <= 2) return;
  findings.push_back(
      {.severity = Severity::kWarning,
       .kind = "ceph-versions",
       .object = seen.alias,
       .problem = "Ceph's daemons are more than two releases apart: " + absl::StrJoin(texts, ", "),
       .impact = "Ceph does not support that; what one writes another may not read",
       .advice = "finish the upgrade: `ceph versions` shows what is left behind"});
}

Severity HealthSeverity(const HealthCheck& check) {
  if (check.name == "OSD_FULL" || check.name == "POOL_FULL") return Severity::kError;
  if (check.severity == "HEALTH_ERR" || check.name == "MON_CLOCK_SKEW") return Severity::kWarning;
  return Severity::kInfo;
}

void DiagnoseHealth(const ObservedCluster& seen, std::vector<Finding>& findings) {
  for (const HealthCheck& check : seen.ceph.health) {
    const bool full = HealthSeverity(check) == Severity::kError;
    findings.push_back(
        {.severity = HealthSeverity(check),
         .kind = check.name == "MON_CLOCK_SKEW" ? "clock-skew" : "ceph-health",
         .object = seen.alias,
         .problem = fmt::format("Ceph says {}: {}", check.name, check.summary),
         .impact = full ? "writes to volumes wait until there is space" : "as Ceph says",
         .advice = "`ceph health detail` says more"});
  }
}

void DiagnoseCaps(const ObservedCluster& seen, std::vector<Finding>& findings) {
  for (const MissingCaps& missing : seen.missing_caps) {
    findings.push_back(
        {.severity = Severity::kError,
         .kind = "caps-missing",
         .object = missing.object,
         .problem = fmt::format("client.{} lacks the caps {}", seen.user, missing.caps),
         .impact = missing.needed_for,
         .advice = fmt::format("give it those caps; `ceph auth get client.{}` shows what it has, "
                               "and `ceph auth caps` sets all of them anew",
                               seen.user)});
  }
  if (seen.closed_pools.empty()) return;
  findings.push_back({.severity = Severity::kInfo,
                      .kind = "pools-closed",
                      .object = seen.alias,
                      .problem = fmt::format("client.{} may not read these pools for RBD: {}",
                                             seen.user, SomeOf(seen.closed_pools)),
                      .impact = "Berth can have no volumes there",
                      .advice = "nothing, unless it should: then caps osd 'profile rbd pool=…'"});
}

}  // namespace

void DiagnoseCeph(const ObservedCluster& seen, std::vector<Finding>& findings) {
  if (!seen.connected.ok()) {
    findings.push_back({.severity = Severity::kError,
                        .kind = "cluster-unreachable",
                        .object = seen.alias,
                        .problem = std::string(seen.connected.message()),
                        .impact = "no volume of this cluster can be made, published or deleted",
                        .advice = "correct what the message names; nothing has to be restarted"});
    return;
  }
  for (const Unseen& unseen : seen.unseen) {
    findings.push_back({.severity = Severity::kError,
                        .kind = unseen.kind,
                        .object = unseen.object,
                        .problem = std::string(unseen.why.message()),
                        .impact = unseen.kind == "record-unreadable"
                                      ? "the volume can be neither published nor deleted"
                                      : "what is wrong there is not in this list",
                        .advice = unseen.kind == "record-unreadable"
                                      ? "a newer version may have written it: use that one"
                                      : "look at the cluster, and ask again"});
  }
  if (!seen.ceph.monitors_out.empty()) {
    findings.push_back(
        {.severity = Severity::kWarning,
         .kind = "monitors-out",
         .object = seen.alias,
         .problem = fmt::format("of {} monitors these are not in the quorum: {}",
                                seen.ceph.monitors.size(), SomeOf(seen.ceph.monitors_out)),
         .impact = "the cluster stops when half of its monitors are out",
         .advice = "`ceph quorum_status`, and the log of the monitor"});
  }
  DiagnoseVersions(seen, findings);
  DiagnoseHealth(seen, findings);
  DiagnoseCaps(seen, findings);
}

}  // namespace berth
