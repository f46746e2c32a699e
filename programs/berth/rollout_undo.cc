#include <spdlog/fmt/fmt.h>

#include "companion/rollout/history.h"
#include "programs/berth/rollout_command.h"

namespace berth {

CLI::App& RolloutUndo::AddTo(CLI::App& parent) {
  CLI::App& command = Add(parent, "undo", "gives a set the pod template of an earlier revision");
  command
      .add_option("--to-revision", to_revision_,
                  "whose template it gets; absent: that of the revision before the newest")
      ->check(CLI::PositiveNumber);
  return command;
}

Status RolloutUndo::RunFor(const statefulset::StatefulSet& set) {
  BERTH_ASSIGN_OR_RETURN(const rollout::Undone undone, rollout::Undo(api(), set, to_revision_));
  if (json()) {
    Print(nlohmann::json{{"set", rollout::DisplayName(set)},
                         {"namespace", set.key.ns},
                         {"revision", undone.revision},
                         {"changed", undone.changed}});
  } else {
    Print(fmt::format("{} {} the template of revision {}\n", rollout::DisplayName(set),
                      undone.changed ? "has again" : "has already", undone.revision));
  }
  return absl::OkStatus();
}

}  // namespace berth
