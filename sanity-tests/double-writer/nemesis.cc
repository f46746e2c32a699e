#include "nemesis.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <random>

#include "absl/time/clock.h"

namespace berth {
namespace {

using Kind = Fault::Kind;

constexpr uint64_t kLongestGapMs = 3000;
constexpr absl::Duration kTendInterval = absl::Milliseconds(150);

struct KindOfFault {
  Kind kind;
  const char* name;
  uint64_t weight;      // how often, against the others
  uint64_t longest_ms;  // of its duration
};

constexpr std::array<KindOfFault, 11> kKinds = {
    {{Kind::kKillIo, "kill the I/O processes of", 3, 1},
     {Kind::kKillData, "kill berth-data of", 2, 1},
     {Kind::kKillNode, "kill berth-node of", 2, 1},
     {Kind::kKillController, "kill", 3, 1},
     {Kind::kPauseIo, "pause the I/O processes of", 3, 6000},
     {Kind::kPauseNode, "pause all of", 2, 8000},
     {Kind::kPauseController, "pause", 3, 3000},
     {Kind::kPauseOsd, "pause", 3, 4000},
     {Kind::kPauseMonitor, "pause", 1, 1500},
     {Kind::kCutOffNode, "cut off from Ceph", 2, 6000},
     {Kind::kCrashNode, "crash", 1, 1}}};

const KindOfFault& Find(Kind kind) {
  return *std::find_if(kKinds.begin(), kKinds.end(),
                       [kind](const KindOfFault& entry) { return entry.kind == kind; });
}

const char* TargetName(Kind kind) {
  switch (kind) {
    case Kind::kKillController:
    case Kind::kPauseController:
      return "controller";
    case Kind::kPauseOsd:
      return "osd";
    case Kind::kPauseMonitor:
      return "monitor";
    case Kind::kKillIo:
    case Kind::kKillData:
    case Kind::kKillNode:
    case Kind::kPauseIo:
    case Kind::kPauseNode:
    case Kind::kCutOffNode:
    case Kind::kCrashNode:
      return "node";
  }
  return "?";
}

Kind DrawKind(std::mt19937_64& random) {
  uint64_t sum = 0;
  for (const KindOfFault& kind : kKinds) sum += kind.weight;
  uint64_t at = random() % sum;
  for (const KindOfFault& kind : kKinds) {
    if (at < kind.weight) return kind.kind;
    at -= kind.weight;
  }
  return kKinds[0].kind;
}

}  // namespace

std::vector<Fault> DrawFaults(uint64_t seed, absl::Duration run) {
  std::mt19937_64 random(seed);
  std::vector<Fault> faults;
  absl::Duration start;
  for (;;) {
    start += absl::Milliseconds(random() % kLongestGapMs);
    if (start >= run) return faults;
    const Kind kind = DrawKind(random);
    const size_t target = random();
    faults.push_back({.kind = kind,
                      .target = target,
                      .start = start,
                      .duration = absl::Milliseconds(random() % Find(kind).longest_ms)});
  }
}

std::string Describe(const Fault& fault) {
  return fmt::format("{} {} {} for {}", Find(fault.kind).name, TargetName(fault.kind),
                     fault.target % 12, absl::FormatDuration(fault.duration));
}

Nemesis::Nemesis(Targets& targets, Verdict& verdict)
    : targets_(targets), verdict_(verdict), thread_([this] { Run(); }) {}

Nemesis::~Nemesis() { End(); }

void Nemesis::Plan(const std::vector<Fault>& faults, absl::Time begin) {
  auto state = state_.Lock();
  for (const Fault& fault : faults) {
    state->entries.push_back(
        {.time = begin + fault.start, .action = [this, fault] { Break(fault); }});
  }
  state.NotifyAll();
}

void Nemesis::At(absl::Time time, std::function<void()> action) {
  auto state = state_.Lock();
  state->entries.push_back({.time = time, .mends = true, .action = std::move(action)});
  state.NotifyAll();
}

void Nemesis::End() {
  if (!thread_.joinable()) return;
  {
    auto state = state_.Lock();
    state->ending = true;
    state.NotifyAll();
  }
  thread_.join();
}

std::optional<Nemesis::Entry> Nemesis::Next(absl::Time until) {
  auto state = state_.Lock();
  const auto earlier = [](const Entry& a, const Entry& b) { return a.time < b.time; };
  for (;;) {
    if (state->ending) std::erase_if(state->entries, [](const Entry& e) { return !e.mends; });
    const auto first = std::min_element(state->entries.begin(), state->entries.end(), earlier);
    const bool some = first != state->entries.end();
    if (some && (state->ending || first->time <= absl::Now())) {
      Entry next = std::move(*first);
      state->entries.erase(first);
      return next;
    }
    if (state->ending || absl::Now() >= until) return std::nullopt;
    const size_t known = state->entries.size();
    state.WaitUntil(some ? std::min(first->time, until) : until,
                    [&] { return state->ending || state->entries.size() != known; });
  }
}

void Nemesis::Run() {
  while (true) {
    if (std::optional<Entry> entry = Next(absl::Now() + kTendInterval)) {
      entry->action();
    } else if (state_.Lock()->ending) {
      return;
    } else {
      for (const auto& node : targets_.nodes) Complain(node->Tend());
      for (const auto& controller : targets_.controllers) Complain(controller->Tend());
    }
  }
}

void Nemesis::Break(const Fault& fault) {
  verdict_.Note("nemesis", Describe(fault));
  verdict_.Count("faults");
  std::function<void()> mend = Inflict(fault);
  if (!mend) return;
  At(absl::Now() + fault.duration, [this, fault, mend = std::move(mend)] {
    verdict_.Note("nemesis", "over: " + Describe(fault));
    mend();
  });
}

// Breaks it; what mends it, if anything has to.
std::function<void()> Nemesis::Inflict(const Fault& fault) {
  SimulatedNode& node = *targets_.nodes[fault.target % targets_.nodes.size()];
  ControllerProgram& controller = *targets_.controllers[fault.target % targets_.controllers.size()];
  const auto pause = [](const ProcessRef& process) -> std::function<void()> {
    process.Signal(SIGSTOP);
    return [&process] { process.Signal(SIGCONT); };
  };
  const auto pause_node = [&node](SimulatedNode::What what) -> std::function<void()> {
    auto stopped = std::make_shared<std::vector<ProcessRef>>(node.Pause(what));
    return [stopped] { SimulatedNode::Resume(*stopped); };
  };
  switch (fault.kind) {
    case Kind::kKillIo:
      node.KillIo();
      return nullptr;
    case Kind::kKillData:
      node.KillData();
      return nullptr;
    case Kind::kKillNode:
      node.KillNode();
      return nullptr;
    case Kind::kCrashNode:
      Complain(node.Reboot());
      return nullptr;
    case Kind::kKillController:
      controller.Kill();
      return nullptr;
    case Kind::kPauseController:
      controller.Pause();
      return [&controller] { controller.Resume(); };
    case Kind::kPauseIo:
      return pause_node(SimulatedNode::What::kIo);
    case Kind::kPauseNode:
      return pause_node(SimulatedNode::What::kEverything);
    case Kind::kCutOffNode:
      Complain(node.CutOff());
      return [this, &node] { Complain(node.Mend()); };
    case Kind::kPauseOsd:
      return pause(targets_.osds[fault.target % targets_.osds.size()]);
    case Kind::kPauseMonitor:
      return pause(targets_.monitors[fault.target % targets_.monitors.size()]);
  }
  return nullptr;
}

void Nemesis::Complain(const Status& status) {
  if (!status.ok()) verdict_.Broken("nemesis", std::string(status.message()));
}

}  // namespace berth
