#include "csi/controller/class_parameters.h"

#include <spdlog/fmt/fmt.h>

#include "absl/strings/numbers.h"
#include "rbd/cluster_directory.h"

namespace berth {
namespace {

constexpr char kOwnerPrefix[] = "csi.storage.k8s.io/";
constexpr int64_t kMaxRetentionS = int64_t{365} * 24 * 3600;

Status Wrong(const std::string& name, const std::string& value, const std::string& why) {
  return absl::InvalidArgumentError(
      fmt::format("StorageClass parameter {}: \"{}\" {}", name, value, why));
}

StatusOr<int64_t> ParseRetention(const std::string& value) {
  const std::map<char, int64_t> units = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  int64_t count = 0;
  const auto unit = value.empty() ? units.end() : units.find(value.back());
  if (unit == units.end() || !absl::SimpleAtoi(value.substr(0, value.size() - 1), &count) ||
      count < 0 || count > kMaxRetentionS / unit->second) {
    return Wrong("trashRetention", value, "is no duration such as 30m, 24h or 7d (at most 365d)");
  }
  return count * unit->second;
}

// RBD refuses '/' and '@' in these, and an empty name would mean something else than what was
// written.
Status CheckName(const std::string& name, const std::string& value) {
  if (value.empty()) return Wrong(name, value, "is empty");
  if (value.find_first_of("/@ \t\n") != std::string::npos) {
    return Wrong(name, value, "holds a character that RBD does not allow");
  }
  return absl::OkStatus();
}

Status Apply(const std::string& name, const std::string& value, ClassParameters& parsed) {
  if (name == "cluster") {
    BERTH_RETURN_IF_ERROR(Annotate(CheckAlias(value), "StorageClass parameter cluster"));
    parsed.cluster = value;
  } else if (name == "pool") {
    BERTH_RETURN_IF_ERROR(CheckName(name, value));
    parsed.pool = value;
  } else if (name == "radosNamespace") {
    BERTH_RETURN_IF_ERROR(CheckName(name, value));
    parsed.rados_namespace = value;
  } else if (name == "trashRetention") {
    BERTH_ASSIGN_OR_RETURN(parsed.trash_retention_s, ParseRetention(value));
  } else if (name.starts_with(kOwnerPrefix)) {
    parsed.owner[name.substr(sizeof kOwnerPrefix - 1)] = value;
  } else {
    return absl::InvalidArgumentError(
        fmt::format("StorageClass parameter {}: \"{}\" is unknown; known are cluster, pool, "
                    "radosNamespace and trashRetention",
                    name, value));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ClassParameters::InWords() const {
  return fmt::format("cluster={} pool={} radosNamespace={} trashRetention={}s", cluster, pool,
                     rados_namespace, trash_retention_s);
}

StatusOr<ClassParameters> ParseClassParameters(
    const std::map<std::string, std::string>& parameters) {
  ClassParameters parsed;
  for (const auto& [name, value] : parameters) {
    BERTH_RETURN_IF_ERROR(Apply(name, value, parsed));
  }
  if (parsed.pool.empty()) {
    return absl::InvalidArgumentError(
        "StorageClass parameter pool is missing: name the RBD pool to make volumes in");
  }
  return parsed;
}

}  // namespace berth
