#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "rbd/data/fuse_mount.h"
#include "remains.h"
#include "sanity-tests/testing/logged_process.h"
#include "sanity-tests/testing/loop_remains.h"

namespace berth {
namespace {

constexpr absl::Duration kServeTimeout = absl::Seconds(20);
constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr std::chrono::seconds kCephTimeout(20);
constexpr Program kStarted[] = {Program::kData, Program::kNode, Program::kController};

// One that has ended is reaped, and cannot be asked again.
bool Runs(std::optional<ChildProcess>& process) {
  if (process && process->Wait(absl::InfinitePast()).ok()) process.reset();
  return process.has_value();
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status MakeRadosNamespace(Connections& connections, const std::string& name) {
  BERTH_ASSIGN_OR_RETURN(const auto root, connections.Open({"lab", "rbd", "", "x"}, {}));
  const int result = rbd_namespace_create(root->io.get(), name.c_str());
  if (result == 0) return absl::OkStatus();
  return ErrnoError(result, fmt::format("make RADOS namespace {}", name));
}

// Mounts on top of others come later, and go first.
void UnmountAllBelow(const std::string& directory) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::vector<std::string> targets;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    if (word.starts_with(directory)) targets.push_back(word);
  }
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    umount2(target->c_str(), MNT_DETACH);
  }
}

}  // namespace

World::World(const Places& places)
    : places_(places),
      control_path_(places.work + "/control"),
      connections_(ClusterDirectory(places.clusters), kCephTimeout),
      controller_(places.work + "/controller.sock"),
      node_(places.work + "/node.sock", places.work + "/kubelet"),
      data_(places.work + "/data.sock") {}

StatusOr<std::unique_ptr<World>> World::Start(const Places& places) {
  std::filesystem::create_directories(places.work + "/kubelet");
  std::ofstream(places.work + "/boot-id") << "the-one-boot\n";
  std::unique_ptr<World> world(new World(places));
  BERTH_RETURN_IF_ERROR(world->MakeControl());
  BERTH_RETURN_IF_ERROR(MakeRadosNamespace(world->connections_, places.rados_namespace));
  BERTH_RETURN_IF_ERROR(world->Tend());
  return world;
}

World::~World() {
  const std::vector<ProcessRef> running = Processes();
  const std::set<unsigned> connections = FuseConnectionsOf(running);
  for (const ProcessRef& process : running) process.Signal(SIGSTOP);
  // Whoever waits for an answer of these gets an error instead.
  for (const unsigned connection : connections) {
    AbortFuseConnection(makedev(0, connection)).IgnoreError();
  }
  for (const ProcessRef& process : running) process.Signal(SIGKILL);
  for (const Program program : kStarted) Kill(program);
  for (const ProcessRef& process : running) process.WaitForEnd(absl::Now() + kServeTimeout);
  UnmountAllBelow(places_.work);
  DetachOrphanedLoopDevices();
  if (control_ != nullptr) munmap(control_, sizeof *control_);
}

Status World::MakeControl() {
  const Fd file(open(control_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid() || ftruncate(file.get(), sizeof(CrashControl)) != 0) {
    return ErrnoError(errno, fmt::format("make {}", control_path_));
  }
  void* memory =
      mmap(nullptr, sizeof(CrashControl), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return ErrnoError(errno, fmt::format("map {}", control_path_));
  control_ = new (memory) CrashControl();
  return absl::OkStatus();
}

std::vector<std::string> World::CommandOf(Program program) const {
  std::vector<std::string> command = {
      "env",
      fmt::format("LD_PRELOAD={}/libcrash-points-preload.so", places_.bin),
      fmt::format("{}={}", kControlVariable, control_path_),
      fmt::format("{}/{}", places_.bin, kProgramNames[static_cast<size_t>(program)]),
      "--clusters",
      places_.clusters};
  const auto add = [&](std::initializer_list<std::string> words) {
    command.insert(command.end(), words);
  };
  switch (program) {
    case Program::kController:
      add({"--csi-endpoint", fmt::format("unix://{}/controller.sock", places_.work)});
      break;
    case Program::kNode:
      add({"--csi-endpoint", fmt::format("unix://{}/node.sock", places_.work), "--node-id", kNodeId,
           "--state-dir", state_directory(), "--boot-id-file", places_.work + "/boot-id",
           "--data-socket", places_.work + "/data.sock", "--mounter", "fuse"});
      break;
    case Program::kData:
      add({"--data-socket", places_.work + "/data.sock"});
      break;
    case Program::kIo:
      break;  // berth-data starts it
  }
  return command;
}

Status World::StartProgram(Program program) {
  const std::string log =
      fmt::format("{}/{}.log", places_.work, kProgramNames[static_cast<size_t>(program)]);
  BERTH_ASSIGN_OR_RETURN(ProcessOf(program), StartLogged(log, CommandOf(program), {}));
  return absl::OkStatus();
}

bool World::Serves(Program program) {
  const absl::Time deadline = absl::Now() + kLook;
  switch (program) {
    case Program::kController:
      return controller_.WaitUntilServed(deadline);
    case Program::kNode:
      return node_.WaitUntilServed(deadline);
    case Program::kData:
      return data_.List(deadline).ok();
    case Program::kIo:
      return true;
  }
  return false;
}

Status World::AwaitServing(Program program) {
  const std::string name = kProgramNames[static_cast<size_t>(program)];
  const absl::Time deadline = absl::Now() + kServeTimeout;
  while (!Serves(program)) {
    if (!Runs(ProcessOf(program))) return absl::UnavailableError(name + " ended at its start");
    if (absl::Now() > deadline) return absl::DeadlineExceededError(name + " does not serve");
    WaitForEnd(kLook);
  }
  return absl::OkStatus();
}

Status World::Tend() {
  for (const Program program : kStarted) {
    if (Runs(ProcessOf(program))) continue;
    BERTH_RETURN_IF_ERROR(StartProgram(program));
    BERTH_RETURN_IF_ERROR(AwaitServing(program));
  }
  return absl::OkStatus();
}

void World::Kill(Program program) {
  std::optional<ChildProcess>& process = ProcessOf(program);
  if (!process) return;
  process->Signal(SIGKILL).IgnoreError();
  process->Wait(absl::Now() + kServeTimeout).IgnoreError();
  process.reset();
}

void World::WaitForEnd(absl::Duration longest) {
  std::vector<pollfd> ends;
  for (const auto& process : processes_) {
    if (process) ends.push_back({process->pidfd(), POLLIN, 0});
  }
  poll(ends.data(), ends.size(), static_cast<int>(absl::ToInt64Milliseconds(longest)));
}

Status World::AwaitBothHold() {
  const absl::Time deadline = absl::Now() + kServeTimeout;
  do {
    BERTH_RETURN_IF_ERROR(Tend());
    const auto held_by_node = FuseConnectionsOf(ProcessRef(ProcessOf(Program::kNode)->pid()));
    const auto held_by_data = FuseConnectionsOf(ProcessRef(ProcessOf(Program::kData)->pid()));
    if (!held_by_node.empty() && held_by_node == held_by_data) return absl::OkStatus();
    WaitForEnd(kLook);
  } while (absl::Now() < deadline);
  return absl::DeadlineExceededError(
      "berth-node and berth-data do not both hold the device's descriptors");
}

void World::Arm(const std::optional<CrashPoint>& crash) {
  control_->mode = CrashControl::kOff;
  control_->crashed = 0;
  for (auto& of_program : control_->met) {
    for (auto& of_symbol : of_program) of_symbol = 0;
  }
  if (crash) control_->point = *crash;
  control_->mode = crash ? CrashControl::kCrash : CrashControl::kCount;
}

bool World::Disarm() {
  control_->mode = CrashControl::kOff;
  return control_->crashed == 1;
}

std::vector<ProcessRef> World::Processes() const {
  std::vector<ProcessRef> found;
  std::error_code error;
  const std::string variable = fmt::format("{}={}", kControlVariable, control_path_);
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    ProcessRef process(pid);
    const std::string environment = ReadFile(fmt::format("/proc/{}/environ", pid)) + '\0';
    if (environment.find(variable + '\0') != std::string::npos) found.push_back(std::move(process));
  }
  return found;
}

}  // namespace berth
