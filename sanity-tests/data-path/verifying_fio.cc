#include "sanity-tests/data-path/verifying_fio.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/process.h"

namespace berth {
namespace {

Status RunFio(const std::vector<std::string>& argv) {
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess(argv, absl::InfiniteFuture()));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("fio ended with {}: {}", result.exit_code, result.output));
}

}  // namespace

VerifyingFio::VerifyingFio(const std::string& device, int depth, absl::Duration duration,
                           std::string output_path)
    : output_path_(std::move(output_path)) {
  const std::vector<std::string> argv = {
      "fio",
      "--ioengine=libaio",
      "--direct=1",
      "--filename=" + device,
      "--output-format=json",
      "--output=" + output_path_,
      "--rw=randwrite",
      fmt::format("--iodepth={}", depth),
      "--verify=crc32c",
      "--verify_fatal=1",
      "--verify_state_save=0",
      "--verify_backlog=64",
      "--time_based=1",
      fmt::format("--runtime={}", absl::ToInt64Seconds(duration)),
      "--name=small",
      "--bs=4k",
      "--offset=0",
      "--size=24m",
      "--name=large",
      "--bs=512k",
      "--offset=24m",
      "--size=40m",
  };
  ended_ = std::async(std::launch::async, [argv] { return RunFio(argv); });
}

bool VerifyingFio::running() const {
  return ended_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

StatusOr<VerifyingFio::Result> VerifyingFio::Wait() {
  BERTH_RETURN_IF_ERROR(ended_.get());
  std::ifstream file(output_path_);
  const nlohmann::json output = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (output.is_discarded() || output["jobs"].size() != 2) {
    return absl::InternalError(fmt::format("fio wrote no result to {}", output_path_));
  }
  Result result;
  for (const nlohmann::json& job : output["jobs"]) {
    if (job.value("error", 0) != 0) {
      return absl::InternalError(fmt::format("fio met error {}", job.value("error", 0)));
    }
    for (const char* direction : {"read", "write"}) {
      const nlohmann::json& part = job[direction];
      result.operations += part.value("total_ios", uint64_t{0});
      const auto slowest_ns = part["clat_ns"].value("max", int64_t{0});
      result.longest_pause = std::max(result.longest_pause, absl::Nanoseconds(slowest_ns));
    }
  }
  return result;
}

absl::Duration SurvivalDuration() {
  const char* const seconds = std::getenv("BERTH_SURVIVAL_SECONDS");
  return absl::Seconds(seconds == nullptr ? 6 : std::atoi(seconds));
}

}  // namespace berth
