#include "sanity-tests/bench/attach/fio.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/process.h"

namespace berth {
namespace {

constexpr int kRampSeconds = 1;

std::vector<std::string> TargetArguments(const FioTarget& target) {
  if (!target.path.empty()) {
    return {"fio", "--ioengine=libaio", "--direct=1", "--allow_file_create=0",
            "--filename=" + target.path};
  }
  // fio has no options for these two; Ceph's own environment variables say them.
  return {"env",
          "CEPH_CONF=" + target.conf_path,
          "CEPH_KEYRING=" + target.keyring_path,
          "fio",
          "--ioengine=rbd",
          "--clientname=" + target.user,
          "--pool=" + target.pool,
          "--rbdname=" + target.image};
}

StatusOr<nlohmann::json> Run(const FioTarget& target, const std::vector<std::string>& arguments,
                             const std::string& output_path) {
  std::vector<std::string> argv = TargetArguments(target);
  argv.insert(argv.end(), {"--name=job", "--output-format=json", "--output=" + output_path});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(argv, absl::InfiniteFuture()));
  if (result.exit_code != 0) {
    return absl::InternalError(fmt::format("fio failed: {}", result.output));
  }
  std::ifstream file(output_path);
  nlohmann::json output = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (output.is_discarded() || output["jobs"].empty()) {
    return absl::InternalError(fmt::format("fio wrote no result to {}", output_path));
  }
  nlohmann::json job = output["jobs"][0];
  if (job.value("error", 0) != 0) {
    return absl::InternalError(fmt::format("fio met I/O error {}", job.value("error", 0)));
  }
  return job;
}

}  // namespace

StatusOr<double> RunFio(const FioJob& job, const FioTarget& target, int seconds,
                        const std::string& output_path) {
  BERTH_ASSIGN_OR_RETURN(
      const nlohmann::json result,
      Run(target,
          {"--rw=" + job.operation, "--bs=4k", fmt::format("--iodepth={}", job.depth),
           fmt::format("--runtime={}", seconds), fmt::format("--ramp_time={}", kRampSeconds),
           "--time_based=1", "--randseed=1"},
          output_path));
  return result["read"].value("iops", 0.0) + result["write"].value("iops", 0.0);
}

Status FillWithFio(const FioTarget& target, const std::string& output_path) {
  return Run(target, {"--rw=write", "--bs=1m", "--iodepth=8", "--end_fsync=1"}, output_path)
      .status();
}

}  // namespace berth
