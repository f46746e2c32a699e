#include "sanity-tests/data-path/ceph_daemons.h"

#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/time/clock.h"
#include "base/process.h"

namespace berth {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);

// With what of the environment the lab and Ceph's tools read.
StatusOr<std::string> Run(const std::vector<std::string>& argv) {
  std::vector<std::string> with_environment = {"env"};
  for (const char* name : {"HOME", "XDG_CACHE_HOME", "BERTH_LAB_DIR", "CEPH_CONF"}) {
    if (const char* value = std::getenv(name)) {
      with_environment.push_back(fmt::format("{}={}", name, value));
    }
  }
  with_environment.insert(with_environment.end(), argv.begin(), argv.end());
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result,
                         RunProcess(with_environment, absl::Now() + kTimeout));
  if (result.exit_code == 0) return result.output;
  return absl::InternalError(fmt::format("{} failed: {}", argv[0], result.output));
}

}  // namespace

Status KillCephDaemon(const std::string& name) {
  return Run({BERTH_DEV, "lab", "ceph-daemon", name, "stop"}).status();
}

Status StartCephDaemon(const std::string& name) {
  return Run({BERTH_DEV, "lab", "ceph-daemon", name, "start"}).status();
}

StatusOr<std::string> RunCeph(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {"ceph"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return Run(argv);
}

Status SetPoolQuota(const std::string& pool, uint64_t bytes) {
  return RunCeph({"osd", "pool", "set-quota", pool, "max_bytes", std::to_string(bytes)}).status();
}

StatusOr<bool> IsPoolFull(const std::string& pool) {
  BERTH_ASSIGN_OR_RETURN(const std::string listed,
                         RunCeph({"osd", "pool", "ls", "detail", "--format=json"}));
  // The output holds what was written to standard error, too; the document is a line of its own.
  const size_t begin = listed.find('[');
  const nlohmann::json pools = nlohmann::json::parse(
      begin == std::string::npos ? "" : listed.substr(begin), nullptr, /*allow_exceptions=*/false);
  if (!pools.is_array()) return absl::InternalError("ceph osd pool ls did not answer in JSON");
  for (const nlohmann::json& entry : pools) {
    if (entry.value("pool_name", "") == pool) {
      return entry.value("flags_names", "").find("full") != std::string::npos;
    }
  }
  return absl::NotFoundError("there is no such pool");
}

}  // namespace berth
