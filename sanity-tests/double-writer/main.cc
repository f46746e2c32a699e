// double-writer: shows that at most one node can write to a ReadWriteOnce volume, whatever breaks.
// See README.md beside this file.

#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/signals.h"
#include "nemesis.h"
#include "observer.h"
#include "programs.h"
#include "tenant.h"
#include "verdict.h"
#include "writer.h"

namespace berth {
namespace {

constexpr uint64_t kVolumeBytes = 64 << 20;
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kSignalInterval = absl::Milliseconds(200);

struct RunOptions {
  Places places;
  uint64_t seed = 0;
  int seconds = 60;
  bool faults = true;
  std::vector<std::string> networks;  // of each node: namespace and link
  std::vector<int> osds;
  std::vector<int> monitors;
};

enum ExitCode { kHeld = 0, kViolated = 1, kShowsNothing = 2 };

Status AwaitAll(const Targets& targets) {
  const absl::Time deadline = absl::Now() + kCallTimeout;
  bool served = true;
  for (const auto& controller : targets.controllers) {
    served = served && controller->calls().WaitUntilServed(deadline);
  }
  for (const auto& node : targets.nodes) served = served && node->calls().WaitUntilServed(deadline);
  if (served) return absl::OkStatus();
  return absl::DeadlineExceededError("a program does not serve; see the logs");
}

StatusOr<Targets> Start(const RunOptions& options) {
  Targets targets;
  for (const char* name : {"controller-0", "controller-1"}) {
    targets.controllers.push_back(std::make_unique<ControllerProgram>(options.places, name));
    BERTH_RETURN_IF_ERROR(targets.controllers.back()->Tend());
  }
  for (size_t i = 0; i + 1 < options.networks.size(); i += 2) {
    targets.nodes.push_back(
        std::make_unique<SimulatedNode>(options.places, fmt::format("n{}", i / 2 + 1),
                                        options.networks[i], options.networks[i + 1]));
    BERTH_RETURN_IF_ERROR(targets.nodes.back()->Reboot());
  }
  BERTH_RETURN_IF_ERROR(AwaitAll(targets));
  for (const int pid : options.osds) targets.osds.emplace_back(pid);
  for (const int pid : options.monitors) targets.monitors.emplace_back(pid);
  return targets;
}

StatusOr<std::vector<std::unique_ptr<Tenant>>> MakeTenants(const RunOptions& options,
                                                           Targets& targets, Nemesis& nemesis,
                                                           Verdict& verdict) {
  std::vector<std::unique_ptr<Tenant>> tenants;
  for (const bool block : {true, false}) {
    TestVolume volume;
    volume.name = block ? "block" : "file";
    volume.block = block;
    BERTH_ASSIGN_OR_RETURN(volume.id,
                           targets.controllers[0]->calls().Create(
                               fmt::format("chaos-{}-{}-{}", options.seed, getpid(), volume.name),
                               kVolumeBytes, kCallTimeout));
    BERTH_ASSIGN_OR_RETURN(const VolumeHandle handle, ParseVolumeHandle(volume.id));
    BERTH_ASSIGN_OR_RETURN(Observer observer, Observer::Connect(options.places.clusters, handle));
    tenants.push_back(std::make_unique<Tenant>(options.places, targets, nemesis, verdict, volume,
                                               std::move(observer),
                                               options.seed * 2 + (block ? 0 : 1)));
  }
  return tenants;
}

void RunTenants(std::vector<std::unique_ptr<Tenant>>& tenants, Nemesis& nemesis, Verdict& verdict,
                const SignalWaiter& signals, absl::Time end) {
  std::vector<std::thread> threads;
  std::atomic<size_t> running = tenants.size();
  for (const auto& tenant : tenants) {
    threads.emplace_back([&tenant, &running, end] {
      tenant->Run(end);
      --running;
    });
  }
  while (running > 0) {
    if (signals.WaitFor(kSignalInterval) != 0) verdict.Broken("run", "it was interrupted");
  }
  for (std::thread& thread : threads) thread.join();
  nemesis.End();
}

void Complain(const Status& status, Verdict& verdict) {
  if (!status.ok()) verdict.Broken("lab", std::string(status.message()));
}

// What is wrong is known already, or there is one picture more to be judged.
void Finish(std::vector<std::unique_ptr<Tenant>>& tenants, Targets& targets, Verdict& verdict) {
  for (const auto& controller : targets.controllers) Complain(controller->Tend(), verdict);
  for (const auto& node : targets.nodes) Complain(node->Tend(), verdict);
  std::vector<std::string> volumes;
  for (const auto& tenant : tenants) volumes.push_back(tenant->volume_id());
  for (const auto& tenant : tenants) {
    if (!verdict.failed()) tenant->Finish();
  }
  for (const auto& node : targets.nodes) node->PowerOff();
  if (verdict.failed()) return;  // the images stay, to be looked at
  tenants.clear();               // a volume that is observed is in use
  for (const std::string& volume : volumes) {
    Complain(targets.controllers[0]->calls().Delete(volume, kCallTimeout), verdict);
  }
}

Status Run(const RunOptions& options, const SignalWaiter& signals, Verdict& verdict) {
  BERTH_ASSIGN_OR_RETURN(Targets targets, Start(options));
  Nemesis nemesis(targets, verdict);
  BERTH_ASSIGN_OR_RETURN(auto tenants, MakeTenants(options, targets, nemesis, verdict));
  const absl::Time begin = absl::Now();
  const absl::Duration length = absl::Seconds(options.seconds);
  if (options.faults) nemesis.Plan(DrawFaults(options.seed, length), begin);
  RunTenants(tenants, nemesis, verdict, signals, begin + length);
  Finish(tenants, targets, verdict);
  return absl::OkStatus();
}

int Report(const RunOptions& options, Verdict& verdict) {
  std::printf("seed %lu: %s\n", options.seed, verdict.Counts().c_str());
  if (!verdict.failed()) {
    std::printf("seed %lu: held\n", options.seed);
    return kHeld;
  }
  verdict.PrintViolations();
  std::printf("seed %lu: %s; histories and logs are in %s\n", options.seed,
              verdict.broken() ? "SHOWS NOTHING" : "VIOLATED", options.places.work.c_str());
  return verdict.broken() ? kShowsNothing : kViolated;
}

int RunAndReport(const RunOptions& options) {
  // Orphans of a node that is crashed come to us and not to the machine's first process.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::filesystem::create_directories(options.places.work);
  const SignalWaiter signals({SIGINT, SIGTERM, SIGHUP});
  Verdict verdict(options.places.work + "/events.log");
  if (const Status status = Run(options, signals, verdict); !status.ok()) {
    verdict.Broken("lab", std::string(status.message()));
  } else if (!verdict.failed() && verdict.counted("epochs") == 0) {
    verdict.Broken("lab", "no epoch began: a run in which nobody writes shows nothing");
  }
  return Report(options, verdict);
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  CLI::App app("Shows that at most one node can write to a ReadWriteOnce volume");
  app.require_subcommand(1);
  berth::WriterOptions writer;
  CLI::App& write = *app.add_subcommand("write", "the writer; `run` starts it");
  write.add_option("--path", writer.path)->required();
  write.add_flag("--mounted", writer.mounted);
  write.add_option("--epoch", writer.epoch)->required();
  write.add_option("--node", writer.node)->required();
  write.add_option("--history", writer.history)->required();
  write.add_option("--ready-fd", writer.ready_fd)->required();
  write.add_option("--seed", writer.seed)->required();

  berth::RunOptions run;
  CLI::App& play = *app.add_subcommand("run", "one run by one seed");
  play.add_option("--work", run.places.work, "a new directory, with a short path")->required();
  play.add_option("--bin", run.places.bin, "directory of the programs under test")->required();
  play.add_option("--clusters", run.places.clusters)->required();
  play.add_option("--seed", run.seed)->required();
  play.add_option("--seconds", run.seconds)->check(CLI::Range(1, 86400));
  play.add_option("--faults", run.faults, "false: only what the volumes' moves bring");
  play.add_option("--network", run.networks, "of a node: its network namespace and its link")
      ->required();
  play.add_option("--osds", run.osds, "process ids")->required();
  play.add_option("--monitors", run.monitors, "process ids")->required();
  CLI11_PARSE(app, argc, argv);
  if (write.parsed()) return berth::RunWriter(writer);
  run.places.bin = std::filesystem::absolute(run.places.bin);  // nsenter changes the directory
  run.places.writer = std::filesystem::read_symlink("/proc/self/exe");
  return berth::RunAndReport(run);
}
