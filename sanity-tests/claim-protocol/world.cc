#include "world.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_join.h"

namespace berth::exploration {
namespace {

using Fate = MemoryRados::Fate;

// Fences of dead processes last an hour, those of claims years.
constexpr std::chrono::hours kShort{24};

constexpr std::string_view kGet = "get ";
constexpr std::string_view kUpdate = "update ";

// "get v/image", "update v/image: ...": which entry.
std::string KeyOf(std::string_view operation) {
  operation.remove_prefix(operation.find(' ') + 1);
  return std::string(operation.substr(0, operation.find(':')));
}

std::string_view HowItEnds(Fate fate) {
  switch (fate) {
    case Fate::kServed:
      return "";
    case Fate::kTimesOut:
      return ", and gives up";
    case Fate::kDies:
      return ", and dies";
    case Fate::kDiesBefore:
      return ": dies before";
  }
  return "";
}

// Keeps the length of a history within bounds.
std::string Digest(const std::string& history, const std::string& more) {
  return std::to_string(absl::HashOf(history, more));
}

}  // namespace

void World::Add(const std::string& name, const std::string& kind, bool may_time_out,
                std::function<void()> program) {
  auto added = std::make_unique<Program>();
  added->name = name;
  added->kind = kind;
  added->may_time_out = may_time_out;
  added->fiber = std::make_unique<Fiber>(std::move(program));
  programs_.push_back(std::move(added));
}

bool World::Run() {
  for (const auto& program : programs_) GoOn(*program, Fate::kServed);  // to its first operation
  for (;;) {
    if (promise.broken()) return true;
    if (!schedule_.Repeats() && !schedule_.Reach(Fingerprint())) return false;
    const std::vector<Step> steps = PossibleSteps();
    if (steps.empty()) break;
    const Step& step = steps[schedule_.Choose(steps.size())];
    if (trace) trace(Describe(step));
    Take(step);
  }
  for (const auto& program : programs_) {
    if (!program->fiber->HasEnded()) promise.Break(program->name + " waits for ever");
  }
  return true;
}

std::vector<World::Step> World::PossibleSteps() {
  std::vector<Step> steps;
  for (const auto& program : programs_) {
    if (TouchesNothing(*program)) AddStepsOf(*program, steps);
    if (!steps.empty()) return steps;
  }
  for (const auto& program : programs_) AddStepsOf(*program, steps);
  AddDeliveries(steps);
  if (MayLapse()) steps.push_back({.kind = Step::Kind::kLapse});
  return steps;
}

// Whether the next step is the same whenever it is taken, and changes nothing for the others: then
// it may as well be taken first, and no order of what matters is lost.
bool World::TouchesNothing(const Program& program) const {
  if (program.client == nullptr) return true;
  return !hour_may_pass_ && rados.IsRefusedForGood(*program.client, program.daemon);
}

void World::AddStepsOf(Program& program, std::vector<Step>& steps) {
  if (program.fiber->HasEnded()) return;
  if (program.condition && !program.condition()) return;
  const auto add = [&](Fate fate) {
    steps.push_back({.kind = Step::Kind::kProgram, .program = &program, .fate = fate});
  };
  add(Fate::kServed);
  // Who dies while it waits may as well die before its next operation.
  if (faults_left_ == 0 || program.condition) return;
  add(Fate::kDiesBefore);
  if (!late_arrivals_ || program.client == nullptr) return;
  add(Fate::kDies);
  if (program.may_time_out) add(Fate::kTimesOut);
}

// What one client sent to one daemon arrives in the order in which it was sent.
void World::AddDeliveries(std::vector<Step>& steps) {
  const auto& messages = rados.in_flight();
  for (auto message = messages.begin(); message != messages.end(); ++message) {
    bool first = true;
    for (auto before = messages.begin(); before != message; ++before) {
      first = first && (before->client.address != message->client.address ||
                        before->daemon != message->daemon);
    }
    if (first) steps.push_back({.kind = Step::Kind::kDelivery, .message = message});
  }
}

// Nothing is under way for an hour.
bool World::MayLapse() const {
  return hour_may_pass_ && rados.in_flight().empty() && rados.HasFencesShorterThan(kShort);
}

void World::Take(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kProgram:
      if (step.fate != Fate::kServed) --faults_left_;
      return GoOn(*step.program, step.fate);
    case Step::Kind::kDelivery:
      return rados.Deliver(step.message);
    case Step::Kind::kLapse:
      hour_may_pass_ = false;
      return rados.EndFencesShorterThan(kShort);
  }
}

std::string World::Describe(const Step& step) const {
  switch (step.kind) {
    case Step::Kind::kProgram: {
      return fmt::format("{}: {}{}", step.program->name, step.program->pending,
                         HowItEnds(step.fate));
    }
    case Step::Kind::kDelivery:
      return fmt::format("arrives: {} of {}", step.message->operation,
                         step.message->client.address);
    case Step::Kind::kLapse:
      return "an hour passes";
  }
  return "";
}

void World::GoOn(Program& program, Fate fate) {
  program.fate = fate;
  current_ = &program;
  program.fiber->Resume();
  current_ = nullptr;
}

Fate World::Suspend(const std::string& pending) {
  Program& program = *current_;
  program.pending = pending;
  program.history = Digest(program.history, pending);
  program.fiber->Suspend();
  program.client = nullptr;
  program.condition = nullptr;
  return program.fate;
}

Fate World::Sent(const MemoryRados::Client& client, MemoryRados::Daemon daemon,
                 const std::string& operation) {
  if (current_ == nullptr) return Fate::kServed;
  if (operation.starts_with(kGet)) current_->before_get[KeyOf(operation)] = current_->history;
  current_->client = &client;
  current_->daemon = daemon;
  return Suspend(operation);
}

void World::Answered(const std::string& /*client*/, const std::string& answer) {
  if (current_ == nullptr) return;
  Program& program = *current_;
  if (program.pending.starts_with(kUpdate) && answer.starts_with("ABORTED")) {
    // Who lost the race reads the entry again, and knows no more than before he read it.
    program.history = program.before_get.at(KeyOf(program.pending));
  } else {
    program.history = Digest(program.history, answer);
  }
}

void World::Wait(const std::string& /*client*/, const std::string& for_what,
                 const std::function<bool()>& condition) {
  if (current_ == nullptr) {
    while (!condition()) rados.Deliver(rados.in_flight().begin());
    return;
  }
  current_->condition = condition;
  Suspend("waits for " + for_what);
}

void World::Pass(const std::string& what) {
  if (Suspend(what) != Fate::kServed) throw MemoryRados::ProcessDied{};
}

void World::Forget(const std::string& state) {
  if (current_ != nullptr) current_->history = state;
}

bool World::Happens(const std::string& what) {
  const bool happens = schedule_.Choose(2) == 1;
  if (happens && trace) trace("  " + what);
  if (current_ != nullptr) current_->history = Digest(current_->history, happens ? "1" : "0");
  return happens;
}

std::string World::Fingerprint() const {
  std::string text = fmt::format("{} {}\n{}\n{}\n{}", faults_left_, hour_may_pass_,
                                 rados.Fingerprint(), promise.Fingerprint(), shared_state());
  std::vector<std::string> programs;
  for (const auto& program : programs_) {
    programs.push_back(program->kind + (program->fiber->HasEnded() ? " ended" : program->history));
  }
  std::sort(programs.begin(), programs.end());
  return text + "\n" + absl::StrJoin(programs, "\n");
}

}  // namespace berth::exploration
