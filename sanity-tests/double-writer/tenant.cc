#include "tenant.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"

namespace berth {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(6);
constexpr absl::Duration kNoProgress = absl::Seconds(90);
constexpr absl::Duration kStageLimit = absl::Seconds(12);
constexpr absl::Duration kReadyLimit = absl::Seconds(15);
constexpr absl::Duration kWriterEndLimit = absl::Seconds(6);
constexpr absl::Duration kRetryPause = absl::Milliseconds(50);
// What is stopped with requests in its hands has sent them by then.
constexpr absl::Duration kAfterRelease = absl::Milliseconds(300);
constexpr int kReadyFd = 3;

std::string Text(const Status& status) { return std::string(status.message()); }

void Pause(absl::Duration duration) { absl::SleepFor(duration); }

bool Chance(std::mt19937_64& random, uint64_t percent) { return random() % 100 < percent; }

absl::Duration UpToMs(std::mt19937_64& random, uint64_t most) {
  return absl::Milliseconds(random() % most);
}

// True when the writer said so before it ended or the time was over.
bool BecomesReady(int fd) {
  pollfd ready = {fd, POLLIN, 0};
  char byte = 0;
  return poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kReadyLimit))) == 1 &&
         read(fd, &byte, 1) == 1;
}

bool SaysFenced(const Status& status) {
  return absl::StrContains(status.message(), "this Ceph client is blocklisted");
}

}  // namespace

Round DrawRound(std::mt19937_64& random) {
  Round round;
  round.node = random() % 2;
  round.controller = random() % 2;
  round.race_publish = Chance(random, 20);
  round.cut_off_stage = Chance(random, 20);
  round.live = round.cut_off_stage ? UpToMs(random, 150) : UpToMs(random, 2500);
  round.in_order = !round.cut_off_stage && Chance(random, 30);
  const uint64_t hold = random() % 100;
  if (!round.in_order) {
    round.hold = hold < 30   ? Round::Hold::kPauseIo
                 : hold < 40 ? Round::Hold::kPauseNode
                 : hold < 50 ? Round::Hold::kCutOff
                             : Round::Hold::kNone;
  }
  if (round.cut_off_stage && Chance(random, 70)) round.hold = Round::Hold::kNone;
  // Longer than a watch lives, or not much longer than a call takes.
  round.held = Chance(random, 25) ? absl::Seconds(5) + UpToMs(random, 1500) : UpToMs(random, 30);
  const uint64_t release = random() % 100;
  round.release = release < 40   ? Round::Release::kWhileNobodyWrites
                  : release < 65 ? Round::Release::kInTheNextEpoch
                                 : Round::Release::kLater;
  round.race_unpublish = Chance(random, 50);
  round.race_lead = UpToMs(random, 80);
  round.kill_controller = Chance(random, 15);
  round.kill_after = UpToMs(random, 60);
  const uint64_t stall = random() % 100;
  if (round.cut_off_stage ? stall < 60 : stall < 10) {
    round.stall = Round::Stall::kOsds;
    round.stalled = UpToMs(random, 250);
  } else if (stall >= 70) {
    round.stall = Round::Stall::kMonitors;
    round.stalled = UpToMs(random, 600);
  }
  // A pod that is just starting is given time to do harm.
  round.quiet = UpToMs(random, round.cut_off_stage ? 1200 : 400);
  return round;
}

Tenant::Tenant(const Places& places, Targets& targets, Nemesis& nemesis, Verdict& verdict,
               TestVolume volume, Observer observer, uint64_t seed)
    : places_(places),
      targets_(targets),
      nemesis_(nemesis),
      verdict_(verdict),
      volume_(std::move(volume)),
      observer_(std::move(observer)),
      random_(seed),
      pods_(targets.nodes.size()) {}

void Tenant::Run(absl::Time end) {
  while (absl::Now() < end && !verdict_.failed()) PlayRound(DrawRound(random_));
}

void Tenant::PlayRound(const Round& round) {
  size_t node = round.node;
  if (held_node_ && absl::Now() < held_until_) node = 1 - *held_node_;
  const StatusOr<uint64_t> epoch = Publish(round, node);
  if (!epoch.ok()) return verdict_.Broken("volume " + volume_.name, Text(epoch.status()));
  Remove(node);
  StartPod(node, *epoch);
  Pod& pod = *pods_[node];
  bool in_order = round.in_order;
  if (round.cut_off_stage) {
    Pause(round.live);
  } else if (AwaitStart(pod)) {
    LookWhenBegun(pod);
    Live(pod, round.live);
  } else {
    in_order = false;
  }
  if (in_order) in_order = TakeDownInOrder(pod);
  const bool hold = !in_order && round.hold != Round::Hold::kNone;
  std::function<void()> release;
  if (hold) {
    release = Inflict(round.hold, node);
    Pause(round.held);
  }
  if (const Status status = Unpublish(round, node); !status.ok()) {
    if (release) release();
    return verdict_.Broken("volume " + volume_.name, Text(status));
  }
  LookWhenFree(pod, in_order);
  if (hold && round.release == Round::Release::kWhileNobodyWrites) {
    release();
    Pause(kAfterRelease);
  } else if (hold) {
    const absl::Duration later = round.release == Round::Release::kInTheNextEpoch
                                     ? absl::Milliseconds(1500)
                                     : absl::Seconds(7);
    held_node_ = node;
    held_until_ = absl::Now() + later;
    nemesis_.At(held_until_, release);
  }
  Pause(round.quiet);
  Look(fmt::format("still free after epoch {}", *epoch), {});
  if (raced_unpublish_.valid()) raced_unpublish_.get().IgnoreError();
}

// --- the attacher ---

StatusOr<uint64_t> Tenant::Publish(const Round& round, size_t& node) {
  const absl::Time limit = absl::Now() + kNoProgress;
  size_t controller = round.controller;
  bool race = round.race_publish && !held_node_;
  for (;;) {
    const StatusOr<uint64_t> epoch = race ? RacePublish(round, node) : PublishOn(node, controller);
    if (epoch.ok()) {
      CheckEpoch(*epoch);
      Note(fmt::format("published to {} at epoch {}", targets_.nodes[node]->name(), *epoch));
      return epoch;
    }
    if (absl::Now() > limit || verdict_.failed()) {
      return Annotate(epoch.status(), "no publish succeeded for a long time");
    }
    // A call whose outcome is not known, or one that was stopped half-way, may have given it away.
    race = false;
    if (epoch.status().code() == absl::StatusCode::kFailedPrecondition) {
      BERTH_RETURN_IF_ERROR(UnpublishUntilDone(1 - node, controller));
    }
    controller = 1 - controller;
    Pause(kRetryPause);
  }
}

StatusOr<uint64_t> Tenant::PublishOn(size_t node, size_t controller) {
  return targets_.controllers[controller]->calls().Publish(volume_, targets_.nodes[node]->name(),
                                                           kCallTimeout);
}

// At most one of them may succeed. The loser's outcome may be unknown, so it is unpublished, which
// takes nothing from the winner.
StatusOr<uint64_t> Tenant::RacePublish(const Round& round, size_t& node) {
  const size_t first = node;
  auto other =
      std::async(std::launch::async, [&] { return PublishOn(1 - first, 1 - round.controller); });
  const StatusOr<uint64_t> mine = PublishOn(first, round.controller);
  const StatusOr<uint64_t> theirs = other.get();
  verdict_.Count("raced publishes");
  if (mine.ok() && theirs.ok()) {
    verdict_.Violation(
        "volume " + volume_.name,
        fmt::format("published to both nodes at once, at epochs {} and {}", *mine, *theirs));
    return mine;
  }
  if (theirs.ok()) node = 1 - first;
  if (mine.ok() || theirs.ok()) {
    BERTH_RETURN_IF_ERROR(UnpublishUntilDone(1 - node, round.controller));
    return mine.ok() ? mine : theirs;
  }
  return mine;
}

void Tenant::CheckEpoch(uint64_t epoch) {
  if (epoch <= newest_epoch_) {
    verdict_.Violation("volume " + volume_.name,
                       fmt::format("epoch {} was given out after epoch {}", epoch, newest_epoch_));
  }
  newest_epoch_ = epoch;
}

Status Tenant::Unpublish(const Round& round, size_t node) {
  pods_[node]->taken = true;
  StallCeph(round);
  if (round.kill_controller) KillSoon(*targets_.controllers[round.controller], round.kill_after);
  if (round.race_unpublish) {
    verdict_.Count("raced unpublishes");
    raced_unpublish_ = std::async(std::launch::async, [this, node, other = 1 - round.controller] {
      return targets_.controllers[other]->calls().Unpublish(volume_, targets_.nodes[node]->name(),
                                                            kCallTimeout);
    });
    Pause(round.race_lead);
  }
  const Status status = UnpublishUntilDone(node, round.controller);
  if (status.ok()) Note(fmt::format("unpublished from {}", targets_.nodes[node]->name()));
  return status;
}

void Tenant::StallCeph(const Round& round) {
  std::vector<ProcessRef>* stalled = nullptr;
  switch (round.stall) {
    case Round::Stall::kNone:
      return;
    case Round::Stall::kMonitors:
      stalled = &targets_.monitors;
      break;
    case Round::Stall::kOsds:
      stalled = &targets_.osds;
      break;
  }
  Note(fmt::format("stalls {} for {}", stalled == &targets_.osds ? "the OSDs" : "the monitor",
                   absl::FormatDuration(round.stalled)));
  verdict_.Count("stalls");
  for (const ProcessRef& process : *stalled) process.Signal(SIGSTOP);
  nemesis_.At(absl::Now() + round.stalled, [stalled] { SimulatedNode::Resume(*stalled); });
}

void Tenant::KillSoon(ControllerProgram& victim, absl::Duration delay) {
  verdict_.Count("controllers killed meanwhile");
  nemesis_.At(absl::Now() + delay, [&victim] { victim.Kill(); });
}

Status Tenant::UnpublishUntilDone(size_t node, size_t controller) {
  for (const absl::Time limit = absl::Now() + kNoProgress;;) {
    const Status status = targets_.controllers[controller]->calls().Unpublish(
        volume_, targets_.nodes[node]->name(), kCallTimeout);
    if (status.ok()) return status;
    if (absl::Now() > limit || verdict_.failed())
      return Annotate(status, "no unpublish succeeded for a long time");
    controller = 1 - controller;
    Pause(kRetryPause);
  }
}

// --- the kubelet ---

void Tenant::StartPod(size_t node, uint64_t epoch) {
  auto pod = std::make_unique<Pod>();
  pod->node = node;
  pod->epoch = epoch;
  pod->history = fmt::format("{}/history-{}-{}", places_.work, volume_.name, epoch);
  pod->device_losses = targets_.nodes[node]->device_losses();
  pod->starting = std::async(std::launch::async, [this, &pod = *pod] { return BringUp(pod); });
  pods_[node] = std::move(pod);
}

StatusOr<ChildProcess> Tenant::BringUp(const Pod& pod) const {
  BERTH_RETURN_IF_ERROR(StageUntilDone(pod));
  NodeCalls& calls = targets_.nodes[pod.node]->calls();
  BERTH_RETURN_IF_ERROR(calls.Publish(volume_, pod.epoch, kCallTimeout));
  return StartWriter(pod.node, pod.epoch, pod.history);
}

Status Tenant::StageUntilDone(const Pod& pod) const {
  const std::string& node = targets_.nodes[pod.node]->name();
  for (const absl::Time limit = absl::Now() + kStageLimit;;) {
    const bool taken = pod.taken;
    const Status status = targets_.nodes[pod.node]->calls().Stage(volume_, pod.epoch, kCallTimeout);
    if (status.ok() || absl::Now() > limit || verdict_.failed()) return status;
    Note(fmt::format("stage on {}: {}", node, Text(status)));
    // Every stage has a client of its own, which nobody has fenced before.
    if (SaysFenced(status) && !taken && !pod.taken) {
      verdict_.Violation("volume " + volume_.name,
                         fmt::format("Ceph refuses the client with which epoch {} is staged on {}, "
                                     "from which nothing was taken: {}",
                                     pod.epoch, node, Text(status)));
    }
    if (status.code() == absl::StatusCode::kFailedPrecondition) return status;
    Pause(kRetryPause);
  }
}

StatusOr<ChildProcess> Tenant::StartWriter(size_t node, uint64_t epoch,
                                           const std::string& history) const {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "make a pipe");
  const Fd ready(ends[0]);
  Fd theirs(ends[1]);
  const std::string name = targets_.nodes[node]->name();
  std::vector<std::string> argv = {places_.writer, "write"};
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{
           {"--path", targets_.nodes[node]->calls().TargetPath(volume_)},
           {"--epoch", std::to_string(epoch)},
           {"--node", name},
           {"--history", history},
           {"--ready-fd", std::to_string(kReadyFd)},
           {"--seed", std::to_string(epoch)}}) {
    argv.push_back(flag);
    argv.push_back(value);
  }
  if (!volume_.block) argv.emplace_back("--mounted");
  BERTH_ASSIGN_OR_RETURN(ChildProcess writer,
                         targets_.nodes[node]->StartInside("writer-" + volume_.name, argv,
                                                           {{theirs.get(), kReadyFd}}));
  theirs.Reset();
  if (BecomesReady(ready.get())) return writer;
  writer.Signal(SIGKILL).IgnoreError();
  writer.Wait(absl::Now() + kWriterEndLimit).IgnoreError();
  return absl::UnavailableError(
      fmt::format("the writer of epoch {} on {} did not begin", epoch, name));
}

bool Tenant::AwaitStart(Pod& pod) {
  StatusOr<ChildProcess> writer = pod.starting.get();
  if (writer.ok()) {
    pod.writer = *std::move(writer);
    return true;
  }
  Note(fmt::format("epoch {}: {}", pod.epoch, Text(writer.status())));
  verdict_.Count("epochs that did not begin");
  return false;
}

void Tenant::Live(Pod& pod, absl::Duration live) {
  if (!pod.writer->Wait(absl::Now() + live).ok()) return;
  pod.writer.reset();
  ExplainFailure(pod);
}

// A writer's call fails only because of a fence or the loss of its device.
void Tenant::ExplainFailure(const Pod& pod) {
  Note(fmt::format("a call of the writer of epoch {} failed", pod.epoch));
  verdict_.Count("writers that lost their device");
  if (targets_.nodes[pod.node]->device_losses() != pod.device_losses) return;
  verdict_.Violation(
      "volume " + volume_.name,
      fmt::format("a call of the writer of epoch {} failed on {}, from which nothing was taken: "
                  "see {}",
                  pod.epoch, targets_.nodes[pod.node]->name(), pod.history));
}

// True when every step was done, so that nothing acknowledged may be lost.
bool Tenant::TakeDownInOrder(Pod& pod) {
  if (!pod.writer) return false;
  pod.writer->Signal(SIGTERM).IgnoreError();
  const StatusOr<int> exit_code = pod.writer->Wait(absl::Now() + kWriterEndLimit);
  if (!exit_code.ok()) return false;
  pod.writer.reset();
  if (*exit_code != 0) ExplainFailure(pod);
  NodeCalls& node = targets_.nodes[pod.node]->calls();
  Status status = node.Unpublish(volume_, kCallTimeout);
  if (status.ok()) status = node.Unstage(volume_, kCallTimeout);
  if (!status.ok()) {
    Note(fmt::format("take down epoch {}: {}", pod.epoch, Text(status)));
    return false;
  }
  verdict_.Count("epochs ended in order");
  return *exit_code == 0;
}

// What an earlier epoch left on the node. If it cannot be taken down, the machine is restarted, as
// an administrator would.
void Tenant::Remove(size_t node) {
  if (pods_[node] == nullptr) return;
  Pod& pod = *pods_[node];
  if (pod.starting.valid()) AwaitStart(pod);
  bool down = true;
  if (pod.writer) {
    pod.writer->Signal(SIGKILL).IgnoreError();
    down = pod.writer->Wait(absl::Now() + kWriterEndLimit).ok();
  }
  NodeCalls& calls = targets_.nodes[node]->calls();
  Status status = down ? calls.Unpublish(volume_, kCallTimeout)
                       : absl::DeadlineExceededError("the writer does not end");
  if (status.ok()) status = calls.Unstage(volume_, kCallTimeout);
  if (!status.ok()) {
    Note(fmt::format("{} is restarted: {}", targets_.nodes[node]->name(), Text(status)));
    verdict_.Count("nodes restarted to be clean");
    if (const Status booted = targets_.nodes[node]->Reboot(); !booted.ok()) {
      verdict_.Broken("volume " + volume_.name, Text(booted));
    }
    if (pod.writer) pod.writer->Wait(absl::Now() + kWriterEndLimit).IgnoreError();
  }
  pods_[node].reset();
}

// --- what goes wrong, and what is looked at ---

std::function<void()> Tenant::Inflict(Round::Hold hold, size_t node) {
  SimulatedNode& target = *targets_.nodes[node];
  const auto pause = [&target](SimulatedNode::What what) -> std::function<void()> {
    auto stopped = std::make_shared<std::vector<ProcessRef>>(target.Pause(what));
    return [stopped] { SimulatedNode::Resume(*stopped); };
  };
  switch (hold) {
    case Round::Hold::kNone:
      return [] {};
    case Round::Hold::kPauseIo:
      Note("pauses the I/O processes of " + target.name());
      verdict_.Count("paused I/O processes");
      return pause(SimulatedNode::What::kIo);
    case Round::Hold::kPauseNode:
      Note("pauses all of " + target.name());
      verdict_.Count("paused nodes");
      return pause(SimulatedNode::What::kEverything);
    case Round::Hold::kCutOff:
      Note("cuts off " + target.name());
      verdict_.Count("cut off nodes");
      target.CutOff().IgnoreError();
      return [&target] { target.Mend().IgnoreError(); };
  }
  return [] {};
}

void Tenant::LookWhenBegun(const Pod& pod) {
  const StatusOr<History> history = ReadHistory(pod.history);
  if (!history.ok() || !history->ready) {
    return verdict_.Broken("volume " + volume_.name, "a writer that is ready has no history");
  }
  verdict_.Count("epochs");
  if (!offsets_.empty() && offsets_ != history->offsets) {
    verdict_.Violation("volume " + volume_.name,
                       fmt::format("the file of epoch {} lies elsewhere: it is not the one that "
                                   "was synced",
                                   pod.epoch));
  }
  offsets_ = history->offsets;
  Judge(fmt::format("epoch {} begins", pod.epoch), {}, history->found);
}

// The writer may still run, and may have written until now.
void Tenant::LookWhenFree(const Pod& pod, bool in_order) {
  if (offsets_.empty()) return;
  const StatusOr<Picture> picture = observer_.Observe(offsets_);
  if (!picture.ok()) return verdict_.Broken("observer", Text(picture.status()));
  Interval between;
  if (StatusOr<History> history = ReadHistory(pod.history); history.ok()) {
    for (const std::string& what : Mismatches(*history)) {
      verdict_.Violation("volume " + volume_.name, what);
    }
    verdict_.Count("writes", history->events.size() / 2);
    between = {.writes = *std::move(history), .ended_in_order = in_order};
  }
  Judge(fmt::format("free after epoch {}", pod.epoch), between, *picture);
}

void Tenant::Look(const std::string& name, const Interval& between) {
  if (offsets_.empty()) return;
  const StatusOr<Picture> picture = observer_.Observe(offsets_);
  if (!picture.ok()) return verdict_.Broken("observer", Text(picture.status()));
  Judge(name, between, *picture);
}

void Tenant::Judge(const std::string& name, const Interval& between, const Picture& picture) {
  Note("looks: " + name);
  for (const std::string& what : timeline_.Add(name, between, picture)) {
    verdict_.Violation("volume " + volume_.name, what);
  }
}

void Tenant::Finish() {
  for (size_t node = 0; node < pods_.size(); ++node) Remove(node);
  Look("all writers have ended", {});
  for (size_t node = 0; node < pods_.size(); ++node) {
    if (const Status status = UnpublishUntilDone(node, 0); !status.ok()) {
      verdict_.Broken("volume " + volume_.name, Text(status));
    }
  }
  Look("the end", {});
}

}  // namespace berth
