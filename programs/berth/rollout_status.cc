#include <spdlog/fmt/fmt.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "companion/rollout/wait.h"
#include "programs/berth/rollout_command.h"

namespace berth {
namespace {

// A validator's error, or nothing.
std::string WrongDuration(const std::string& text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration()) return "";
  return absl::StrCat("\"", text, "\" is no duration such as 90s or 5m");
}

}  // namespace

CLI::App& RolloutStatus::AddTo(CLI::App& parent) {
  CLI::App& command =
      Add(parent, "status", "waits until all pods of a set have its template and are ready");
  command
      .add_option("--timeout", timeout_,
                  "how long to wait, such as 90s or 5m; 0 says how it stands and ends")
      ->check(CLI::Validator(WrongDuration, "DURATION"))
      ->capture_default_str();
  return command;
}

Status RolloutStatus::RunFor(const statefulset::StatefulSet& set) {
  absl::Duration timeout;
  if (!absl::ParseDuration(timeout_, &timeout)) return absl::InvalidArgumentError(timeout_);
  std::string last;
  Status status =
      rollout::WaitForRollout(api(), set, absl::Now() + timeout, [&](const std::string& message) {
        last = message;
        if (!json()) Print(fmt::format("{}: {}\n", rollout::DisplayName(set), message));
      });
  if (json() && (status.ok() || absl::IsDeadlineExceeded(status))) {
    Print(nlohmann::json{{"set", rollout::DisplayName(set)},
                         {"namespace", set.key.ns},
                         {"complete", status.ok()},
                         {"message", last}});
  }
  return status;
}

}  // namespace berth
