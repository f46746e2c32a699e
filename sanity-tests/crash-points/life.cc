#include "life.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "remains.h"

namespace berth {
namespace {

constexpr uint64_t kVolumeBytes = 16 << 20;
constexpr size_t kPatternBytes = 256 << 10;
constexpr absl::Duration kCallTimeout = absl::Seconds(20);
constexpr absl::Duration kStepTimeout = absl::Seconds(30);
constexpr absl::Duration kNodeSettles = absl::Seconds(5);
constexpr absl::Duration kRepeatAfter = absl::Milliseconds(50);

std::string MakePattern(const std::string& name) {
  std::mt19937_64 random(std::hash<std::string>()(name));
  std::string pattern(kPatternBytes, '\0');
  for (char& byte : pattern) byte = static_cast<char>(random());
  return pattern;
}

StatusOr<std::string> Done(const Status& status) {
  BERTH_RETURN_IF_ERROR(status);
  return std::string("OK");
}

}  // namespace

std::string Describe(const PlannedCrash& crash) {
  return fmt::format("{}: {} {} call {} of {}", Life::StepName(crash.step),
                     kProgramNames[static_cast<size_t>(crash.point.program)],
                     crash.point.side == Side::kBefore ? "before" : "after", crash.point.nth,
                     kPointSymbols[crash.point.symbol].name);
}

Life::Life(World& world, const std::string& name)
    : world_(world), volume_{.id = "", .name = name, .block = false}, pattern_(MakePattern(name)) {}

const std::vector<Life::Step>& Life::Steps() {
  static const std::vector<Step> steps = {
      {"CreateVolume", &Life::Create},
      {"ControllerPublishVolume", &Life::ControllerPublish},
      {"NodeStageVolume, formatting", &Life::Stage},
      {"NodePublishVolume", &Life::Publish},
      {"writing", &Life::Write},
      {"start of berth-controller", &Life::RestartController},
      {"start of berth-node", &Life::RestartNode},
      {"start of berth-data", &Life::RestartData},
      {"reading", &Life::Read},
      {"NodeUnpublishVolume", &Life::Unpublish},
      {"NodeUnstageVolume", &Life::Unstage},
      {"ControllerUnpublishVolume of a closed claim", &Life::ControllerUnpublish},
      {"ControllerPublishVolume again", &Life::ControllerPublish},
      {"NodeStageVolume, formatted", &Life::Stage},
      {"NodePublishVolume again", &Life::Publish},
      {"reading again", &Life::Read},
      {"ControllerUnpublishVolume of an open claim", &Life::ControllerUnpublish},
      {"NodeUnpublishVolume, fenced", &Life::Unpublish},
      {"NodeUnstageVolume, fenced", &Life::Unstage},
      {"DeleteVolume and the trash sweep", &Life::Delete},
  };
  return steps;
}

size_t Life::step_count() { return Steps().size(); }
const char* Life::StepName(size_t step) { return Steps()[step].name; }

// berth-node and berth-data hold a device's descriptors for each other. What a step kills by itself
// holds nothing until it has started again, and must not be joined by the other.
bool Life::MayDie(size_t step, Program program) {
  const auto act = Steps()[step].act;
  if (act == &Life::RestartNode) return program != Program::kData;
  if (act == &Life::RestartData) return program != Program::kNode;
  return true;
}

LifeReport Life::Run(const std::optional<PlannedCrash>& crash,
                     const std::vector<std::string>& expected) {
  LifeReport report;
  for (size_t i = 0; i < Steps().size() && report.wrong.empty(); ++i) {
    const Step& step = Steps()[i];
    restarted_ = false;
    const bool armed = !crash || crash->step == i;
    if (armed) world_.Arm(crash ? std::optional(crash->point) : std::nullopt);
    const StatusOr<std::string> answer = RepeatUntilDone(step, report);
    if (armed) report.crashed = world_.Disarm();
    if (!answer.ok()) {
      report.wrong.push_back(fmt::format("{}: {}", step.name, answer.status().ToString()));
      break;
    }
    if (!crash) {
      Meetings meetings;
      for (const auto& of_program : world_.control().met) {
        meetings.emplace_back(std::begin(of_program), std::end(of_program));
      }
      report.meetings.push_back(std::move(meetings));
    }
    report.answers.push_back(*answer);
    if (i < expected.size() && *answer != expected[i]) {
      report.wrong.push_back(
          fmt::format("{}: answered {}, and {} without a crash", step.name, *answer, expected[i]));
    }
  }
  if (report.wrong.empty()) CheckRemains(report);
  return report;
}

StatusOr<std::string> Life::RepeatUntilDone(const Step& step, LifeReport& report) {
  const absl::Time deadline = absl::Now() + kStepTimeout;
  for (;;) {
    Status tended = world_.Tend();
    StatusOr<std::string> answer = tended.ok() ? (this->*step.act)() : tended;
    if (answer.ok()) return answer;
    report.refusals.insert(
        fmt::format("{}: {}", step.name, absl::StatusCodeToString(answer.status().code())));
    if (absl::Now() > deadline || answer.status().code() == absl::StatusCode::kDataLoss) {
      return answer;
    }
    world_.WaitForEnd(kRepeatAfter);
  }
}

StatusOr<std::string> Life::Create() {
  BERTH_ASSIGN_OR_RETURN(volume_.id,
                         world_.controller().Create(volume_.name, kVolumeBytes, kCallTimeout,
                                                    world_.places().rados_namespace));
  // It must be the one that was asked for, whatever was made before.
  const std::string wanted =
      fmt::format("lab/rbd/{}/{}", world_.places().rados_namespace, volume_.name);
  return volume_.id == wanted ? "OK" : fmt::format("{} instead of {}", volume_.id, wanted);
}

StatusOr<std::string> Life::ControllerPublish() {
  BERTH_ASSIGN_OR_RETURN(epoch_,
                         world_.controller().Publish(volume_, World::kNodeId, kCallTimeout));
  return fmt::format("epoch {}", epoch_);
}

StatusOr<std::string> Life::Stage() {
  return Done(world_.node().Stage(volume_, epoch_, kCallTimeout));
}

StatusOr<std::string> Life::Publish() {
  return Done(world_.node().Publish(volume_, epoch_, kCallTimeout));
}

// What is written must be taken the first time: a pod does not repeat its writes.
StatusOr<std::string> Life::Write() {
  const std::string path = world_.node().TargetPath(volume_) + "/pattern";
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return absl::DataLossError(fmt::format("make {}: errno {}", path, errno));
  const ssize_t written = write(file.get(), pattern_.data(), pattern_.size());
  if (written != static_cast<ssize_t>(pattern_.size()) || fsync(file.get()) != 0) {
    return absl::DataLossError(fmt::format("write {}: errno {}", path, errno));
  }
  return std::string("OK");
}

StatusOr<std::string> Life::Read() {
  const std::string path = world_.node().TargetPath(volume_) + "/pattern";
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::DataLossError(fmt::format("open {}: errno {}", path, errno));
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::string found(pattern_.size() + 1, '\0');
  const ssize_t count = pread(file.get(), found.data(), found.size(), 0);
  if (count < 0) return absl::DataLossError(fmt::format("read {}: errno {}", path, errno));
  found.resize(static_cast<size_t>(count));
  if (found != pattern_) return absl::DataLossError(path + " does not hold what was written");
  return std::string("OK");
}

StatusOr<std::string> Life::Restart(Program program) {
  if (!restarted_) {
    // As long as only one of them holds it, the device ends with that one.
    BERTH_RETURN_IF_ERROR(world_.AwaitBothHold());
    restarted_ = true;
    world_.Kill(program);
  }
  BERTH_RETURN_IF_ERROR(world_.Tend());
  return Done(world_.AwaitBothHold());
}

StatusOr<std::string> Life::RestartController() { return Restart(Program::kController); }
StatusOr<std::string> Life::RestartNode() { return Restart(Program::kNode); }
StatusOr<std::string> Life::RestartData() { return Restart(Program::kData); }

StatusOr<std::string> Life::Unpublish() {
  return Done(world_.node().Unpublish(volume_, kCallTimeout));
}

StatusOr<std::string> Life::Unstage() { return Done(world_.node().Unstage(volume_, kCallTimeout)); }

StatusOr<std::string> Life::ControllerUnpublish() {
  return Done(world_.controller().Unpublish(volume_, World::kNodeId, kCallTimeout));
}

// The sweep follows by itself, also when the controller dies after it answered.
StatusOr<std::string> Life::Delete() {
  if (!deleted_) BERTH_RETURN_IF_ERROR(world_.controller().Delete(volume_.id, kCallTimeout));
  deleted_ = true;
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> remains, RemainsInCeph(world_));
  if (remains.empty()) return std::string("OK");
  return absl::UnavailableError("still in Ceph: " + absl::StrJoin(remains, ", "));
}

void Life::CheckRemains(LifeReport& report) {
  const StatusOr<std::vector<std::string>> in_ceph = RemainsInCeph(world_);
  if (!in_ceph.ok()) {
    report.wrong.push_back(in_ceph.status().ToString());
  } else {
    for (const std::string& what : *in_ceph) report.wrong.push_back("left in Ceph: " + what);
  }
  // berth-node is told that a device is gone after the call was answered.
  const absl::Time deadline = absl::Now() + kNodeSettles;
  std::vector<std::string> on_node = RemainsOnNode(world_);
  while (!on_node.empty() && absl::Now() < deadline) {
    world_.WaitForEnd(kRepeatAfter);
    on_node = RemainsOnNode(world_);
  }
  for (const std::string& what : on_node) report.wrong.push_back("left on the node: " + what);
  for (const std::string& what : DetachOrphanedLoopDevices()) {
    report.wrong.push_back("left on the machine, by this life or one beside it: " + what);
  }
}

}  // namespace berth
