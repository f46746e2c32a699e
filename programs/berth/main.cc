// berth, also `kubectl berth`: what a person asks and does at a shell.
#include <spdlog/fmt/fmt.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "base/flags.h"
#include "programs/berth/admin_command.h"
#include "programs/berth/doctor_command.h"
#include "programs/berth/rollout_command.h"

namespace berth {
namespace {

using Commands = std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>>;

Commands AddCommands(CLI::App& app) {
  Commands commands;
  const auto add = [&commands](CLI::App& parent, std::unique_ptr<Command> command) {
    CLI::App& parsed = command->AddTo(parent);
    commands.emplace_back(&parsed, std::move(command));
  };
  app.require_subcommand(1);
  CLI::App& rollout =
      *app.add_subcommand("rollout", "templates of StatefulSets: status, history, undo");
  rollout.require_subcommand(1);
  add(rollout, std::make_unique<RolloutStatus>());
  add(rollout, std::make_unique<RolloutHistory>());
  add(rollout, std::make_unique<RolloutUndo>());
  add(app, std::make_unique<Holders>());
  add(app, std::make_unique<FenceNode>());
  add(app, std::make_unique<UnfenceNode>());
  add(app, std::make_unique<ListFences>());
  add(app, std::make_unique<DoctorCommand>());
  return commands;
}

int Fail(const Status& status) {
  std::fputs(fmt::format("berth: {}\n", std::string(status.message())).c_str(), stderr);
  return 1;
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  // A connection that the API server closed is an error like any other.
  std::signal(SIGPIPE, SIG_IGN);
  berth::Flags flags("berth", "What a person asks of Berth and does with it. Also: kubectl berth.",
                     BERTH_VERSION);
  const berth::Commands commands = berth::AddCommands(flags.app());
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  for (const auto& [app, command] : commands) {
    if (!app->parsed()) continue;
    const berth::Status status = command->Run();
    return status.ok() ? command->exit_code() : berth::Fail(status);
  }
  return 2;
}
