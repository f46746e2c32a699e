#include "programs.h"

#include <spdlog/fmt/fmt.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "rbd/data/fuse_mount.h"
#include "sanity-tests/testing/logged_process.h"
#include "sanity-tests/testing/loop_remains.h"

namespace berth {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(20);
constexpr absl::Duration kEndTimeout = absl::Seconds(20);
constexpr absl::Duration kSettled = absl::Seconds(10);
constexpr char kIoName[] = "berth-data-io";

absl::Time StartDeadline() { return absl::Now() + kStartTimeout; }

bool Runs(std::optional<ChildProcess>& process) {
  return process && !process->Wait(absl::InfinitePast()).ok();
}

void End(std::optional<ChildProcess>& process) {
  if (!process) return;
  process->Signal(SIGKILL).IgnoreError();
  process->Wait(absl::Now() + kEndTimeout).IgnoreError();
  process.reset();
}

}  // namespace

StatusOr<ChildProcess> StartLogged(const Places& places, const std::string& log,
                                   const std::vector<std::string>& argv,
                                   std::vector<ChildProcess::Inherited> inherited) {
  return StartLogged(fmt::format("{}/{}.log", places.work, log), argv, std::move(inherited));
}

ControllerProgram::ControllerProgram(const Places& places, std::string name)
    : places_(places),
      name_(std::move(name)),
      socket_(fmt::format("{}/{}.sock", places.work, name_)),
      calls_(socket_) {}

ControllerProgram::~ControllerProgram() { End(*process_.Lock()); }

Status ControllerProgram::Tend() {
  const auto process = process_.Lock();
  if (Runs(*process)) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(*process,
                         StartLogged(places_, name_,
                                     {places_.bin + "/berth-controller", "--csi-endpoint",
                                      "unix://" + socket_, "--clusters", places_.clusters},
                                     {}));
  return absl::OkStatus();
}

void ControllerProgram::Signal(int signal) {
  if (const auto process = process_.Lock(); *process) (*process)->Signal(signal).IgnoreError();
}

void ControllerProgram::Kill() { Signal(SIGKILL); }
void ControllerProgram::Pause() { Signal(SIGSTOP); }
void ControllerProgram::Resume() { Signal(SIGCONT); }

SimulatedNode::SimulatedNode(const Places& places, std::string name, std::string netns,
                             std::string link)
    : places_(places),
      name_(std::move(name)),
      netns_(std::move(netns)),
      link_(std::move(link)),
      directory_(fmt::format("{}/{}", places.work, name_)),
      calls_(directory_ + "/node.sock", directory_) {
  std::filesystem::create_directories(directory_ + "/state");
}

SimulatedNode::~SimulatedNode() { PowerOff(); }

StatusOr<ChildProcess> SimulatedNode::StartIn(State& state, const std::string& log,
                                              const std::vector<std::string>& argv,
                                              std::vector<ChildProcess::Inherited> inherited) {
  if (!state.init) return absl::UnavailableError(fmt::format("node {} is off", name_));
  std::vector<std::string> command = {"nsenter", "--target", std::to_string(state.init->pid()),
                                      "--mount", "--net",    "--"};
  command.insert(command.end(), argv.begin(), argv.end());
  return StartLogged(places_, log, command, std::move(inherited));
}

StatusOr<ChildProcess> SimulatedNode::StartInside(const std::string& log,
                                                  const std::vector<std::string>& argv,
                                                  std::vector<ChildProcess::Inherited> inherited) {
  const auto state = state_.Lock();
  return StartIn(*state, log, argv, std::move(inherited));
}

Status SimulatedNode::Reboot() {
  const auto state = state_.Lock();
  EndEverything(*state);
  return Boot(*state);
}

void SimulatedNode::PowerOff() {
  const auto state = state_.Lock();
  EndEverything(*state);
}

Status SimulatedNode::Boot(State& state) {
  ++state.boots;
  std::ofstream(directory_ + "/boot-id") << fmt::format("{}-boot-{}\n", name_, state.boots);
  BERTH_ASSIGN_OR_RETURN(
      state.init, StartLogged(places_, name_ + "-init",
                              {"nsenter", "--net=/run/netns/" + netns_, "--", "unshare", "--mount",
                               "--propagation", "private", "--", "sleep", "infinity"},
                              {}));
  // It is there once the namespace is no longer ours; exec keeps the process id.
  const absl::Time deadline = StartDeadline();
  const uint64_t ours = MountNamespaceOf(getpid());
  do {
    state.mount_namespace = MountNamespaceOf(state.init->pid());
    if (absl::Now() > deadline || state.mount_namespace == 0) {
      return absl::DeadlineExceededError(fmt::format("{} gets no mount namespace", name_));
    }
  } while (state.mount_namespace == ours || CommandName(state.init->pid()) != "sleep");
  return StartPrograms(state);
}

Status SimulatedNode::StartPrograms(State& state) {
  const std::string socket = directory_ + "/data.sock";
  if (!Runs(state.data)) {
    state.data_started = absl::Now();
    BERTH_ASSIGN_OR_RETURN(state.data, StartIn(state, name_ + "-data",
                                               {places_.bin + "/berth-data", "--data-socket",
                                                socket, "--clusters", places_.clusters},
                                               {}));
  }
  if (Runs(state.node)) return absl::OkStatus();
  state.node_started = absl::Now();
  BERTH_ASSIGN_OR_RETURN(
      state.node, StartIn(state, name_ + "-node",
                          {places_.bin + "/berth-node", "--csi-endpoint",
                           fmt::format("unix://{}/node.sock", directory_), "--node-id", name_,
                           "--clusters", places_.clusters, "--data-socket", socket, "--state-dir",
                           directory_ + "/state", "--boot-id-file", directory_ + "/boot-id"},
                          {}));
  return absl::OkStatus();
}

Status SimulatedNode::Tend() {
  const auto state = state_.Lock();
  return state->init ? StartPrograms(*state) : absl::OkStatus();
}

// First all are stopped, so that none can start another meanwhile.
void SimulatedNode::EndEverything(State& state) {
  if (!state.init) return;
  const std::vector<ProcessRef> processes = Find(state, What::kEverything);
  for (const ProcessRef& process : processes) process.Signal(SIGSTOP);
  // The last of them unmounts what they served themselves, and would wait for their answers.
  for (const unsigned connection : FuseConnectionsOf(processes)) {
    state.fuse_connections.insert(connection);
    AbortFuseConnection(makedev(0, connection)).IgnoreError();
  }
  for (const ProcessRef& process : processes) process.Signal(SIGKILL);
  for (const ProcessRef& process : processes) {
    process.WaitForEnd(absl::Now() + kEndTimeout);
    waitpid(process.pid(), nullptr, WNOHANG);  // of those that were orphaned, we are the parent
  }
  state.init.reset();
  state.data.reset();
  state.node.reset();
  ++state.device_losses;
  DetachLoopDevicesOf(state.fuse_connections);
}

void SimulatedNode::KillData() {
  const auto state = state_.Lock();
  if (!state->init) return;
  state->fuse_connections.merge(FuseConnectionsOf(Find(*state, What::kEverything)));
  if (absl::Now() - state->node_started < kSettled) ++state->device_losses;
  End(state->data);
}

void SimulatedNode::KillNode() {
  const auto state = state_.Lock();
  if (absl::Now() - state->data_started < kSettled) ++state->device_losses;
  End(state->node);
}

std::vector<ProcessRef> SimulatedNode::Find(State& state, What what) {
  std::vector<ProcessRef> processes = ProcessesInMountNamespace(state.mount_namespace);
  if (what == What::kIo) {
    std::erase_if(processes,
                  [](const ProcessRef& process) { return CommandName(process.pid()) != kIoName; });
  }
  state.fuse_connections.merge(FuseConnectionsOf(processes));
  return processes;
}

void SimulatedNode::KillIo() {
  const auto state = state_.Lock();
  for (const ProcessRef& process : Find(*state, What::kIo)) process.Signal(SIGKILL);
}

std::vector<ProcessRef> SimulatedNode::Pause(What what) {
  const auto state = state_.Lock();
  std::vector<ProcessRef> processes = Find(*state, what);
  for (const ProcessRef& process : processes) process.Signal(SIGSTOP);
  return processes;
}

void SimulatedNode::Resume(const std::vector<ProcessRef>& processes) {
  for (const ProcessRef& process : processes) process.Signal(SIGCONT);
}

Status SimulatedNode::SetLink(const char* state) {
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess({"ip", "link", "set", link_, state},
                                                                absl::Now() + kStartTimeout));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("ip link set {} {}: {}", link_, state, result.output));
}

Status SimulatedNode::CutOff() {
  const auto state = state_.Lock();
  return state->cuts++ == 0 ? SetLink("down") : absl::OkStatus();
}

Status SimulatedNode::Mend() {
  const auto state = state_.Lock();
  return --state->cuts == 0 ? SetLink("up") : absl::OkStatus();
}

uint64_t SimulatedNode::device_losses() { return state_.Lock()->device_losses; }

}  // namespace berth
