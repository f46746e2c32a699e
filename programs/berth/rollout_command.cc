#include "programs/berth/rollout_command.h"

#include <CLI/Validators.hpp>
#include <cstdio>

namespace berth {
namespace {

// A validator's error, or nothing.
std::string WrongTarget(const std::string& text) {
  return std::string(rollout::ParseTarget(text).status().message());
}

}  // namespace

CLI::App& RolloutCommand::Add(CLI::App& parent, const std::string& name,
                              const std::string& description) {
  CLI::App& command = *parent.add_subcommand(name, description);
  command.add_option("set", target_text_, "the set: statefulset/NAME")
      ->required()
      ->check(CLI::Validator(WrongTarget, "statefulset/NAME"));
  command
      .add_option(
          "--kind", kind_,
          "berth (StatefulSet of berth.storage) or apps; absent: what there is, berth first")
      ->check(CLI::IsMember({"berth", "apps"}));
  command.add_option("-o,--output", output_, "json; absent: text")->check(CLI::IsMember({"json"}));
  connection_.AddFlags(command);
  return command;
}

Status RolloutCommand::Run() {
  BERTH_ASSIGN_OR_RETURN(rollout::Target target, rollout::ParseTarget(target_text_));
  if (kind_ == "berth") target.resource = statefulset::kBerthStatefulSets;
  if (kind_ == "apps") target.resource = statefulset::kAppsStatefulSets;
  BERTH_RETURN_IF_ERROR(connection_.Open());
  BERTH_ASSIGN_OR_RETURN(const statefulset::StatefulSet set,
                         rollout::FindSet(api(), target, connection_.ns()));
  return Annotate(RunFor(set), rollout::DisplayName(set));
}

void RolloutCommand::Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);  // a reader behind a pipe waits for the line, too
}

void RolloutCommand::Print(const nlohmann::json& value) { Print(value.dump(2) + "\n"); }

}  // namespace berth
