#include "companion/rollout/history.h"

#include <spdlog/fmt/fmt.h>

#include "companion/rollout/yaml.h"
#include "companion/statefulset/revision.h"
#include "programs/berth/rollout_command.h"

namespace berth {

CLI::App& RolloutHistory::AddTo(CLI::App& parent) {
  CLI::App& command = Add(parent, "history", "lists the templates that a set had");
  command.add_option("--revision", revision_, "shows the pod template of this revision instead")
      ->check(CLI::PositiveNumber);
  return command;
}

Status RolloutHistory::RunFor(const statefulset::StatefulSet& set) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<rollout::Entry> history,
                         rollout::ReadHistory(api(), set));
  if (revision_ != 0) {
    BERTH_ASSIGN_OR_RETURN(const rollout::Entry entry, rollout::EntryOf(history, revision_));
    BERTH_ASSIGN_OR_RETURN(const nlohmann::json pod_template,
                           statefulset::TemplateOf(entry.revision));
    if (json()) {
      Print(pod_template);
    } else {
      Print(rollout::ToYaml(pod_template));
    }
  } else if (json()) {
    Print(rollout::HistoryJson(history));
  } else {
    Print(fmt::format("{}\n{}", rollout::DisplayName(set), rollout::HistoryTable(history)));
  }
  return absl::OkStatus();
}

}  // namespace berth
