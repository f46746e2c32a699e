#include "rbd/doctor/finding.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <utility>

namespace berth {
namespace {

constexpr std::array<std::pair<RemedyKind, std::string_view>, 9> kRemedyNames = {{
    {RemedyKind::kForgetRecord, "forget-record"},
    {RemedyKind::kFinishDelete, "finish-delete"},
    {RemedyKind::kPurgeTrash, "purge-trash"},
    {RemedyKind::kForgetTrash, "forget-trash"},
    {RemedyKind::kFinishRevoke, "finish-revoke"},
    {RemedyKind::kRevokeClaim, "revoke-claim"},
    {RemedyKind::kRestoreFence, "restore-fence"},
    {RemedyKind::kForgetFence, "forget-fence"},
    {RemedyKind::kForgetNode, "forget-node"},
}};

}  // namespace

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
  }
  return "";
}

std::string_view RemedyName(RemedyKind kind) {
  for (const auto& [candidate, name] : kRemedyNames) {
    if (candidate == kind) return name;
  }
  return "";
}

std::optional<RemedyKind> FindRemedy(std::string_view name) {
  for (const auto& [kind, candidate] : kRemedyNames) {
    if (candidate == name) return kind;
  }
  return std::nullopt;
}

std::string Remedy::Describe() const {
  const std::string pool = where.PoolToString();
  switch (kind) {
    case RemedyKind::kForgetRecord:
      return fmt::format("remove the record of image {} of {}, which does not exist", key, pool);
    case RemedyKind::kFinishDelete:
      return fmt::format("finish the deletion of volume {}/{}", pool, key);
    case RemedyKind::kPurgeTrash:
      return fmt::format("purge image id {} of {}, whose time in the trash is over", key, pool);
    case RemedyKind::kForgetTrash:
      return fmt::format("remove the trash record of image id {} of {}, which does not exist", key,
                         pool);
    case RemedyKind::kFinishRevoke:
      return fmt::format("finish to take volume {}/{} from its node", pool, key);
    case RemedyKind::kRevokeClaim:
      return fmt::format("take volume {}/{} from its node, which is fenced", pool, key);
    case RemedyKind::kRestoreFence:
      return fmt::format("put client {} into the blocklist of {} again", key, where.cluster);
    case RemedyKind::kForgetFence:
      return fmt::format("end the fence of client {}, whose node has booted since", key);
    case RemedyKind::kForgetNode:
      return fmt::format("remove the registration of node {} in {}", key, where.cluster);
  }
  return "";
}

}  // namespace berth
