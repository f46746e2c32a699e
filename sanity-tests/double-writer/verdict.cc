#include "verdict.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>

#include "history.h"

namespace berth {
namespace {

constexpr size_t kLinesAround = 30;
constexpr size_t kViolationsShown = 5;

}  // namespace

Verdict::Verdict(const std::string& log_path) { state_.Lock()->log.open(log_path); }

void Verdict::Write(State& state, const std::string& who, const std::string& what) {
  std::string line = fmt::format("{} {}: {}", MonotonicUs(), who, what);
  state.log << line << std::endl;
  state.latest.push_back(std::move(line));
  if (state.latest.size() > kLinesAround) state.latest.pop_front();
}

void Verdict::Note(const std::string& who, const std::string& what) {
  Write(*state_.Lock(), who, what);
}

void Verdict::Violation(const std::string& who, const std::string& what) {
  const auto state = state_.Lock();
  Write(*state, who, "VIOLATION: " + what);
  if (state->violations.empty()) state->around.assign(state->latest.begin(), state->latest.end());
  state->violations.push_back(fmt::format("{}: {}", who, what));
}

void Verdict::Broken(const std::string& who, const std::string& what) {
  {
    const auto state = state_.Lock();
    if (state->violations.empty()) state->broken = true;
  }
  Violation(who, what);
}

bool Verdict::broken() { return state_.Lock()->broken; }

bool Verdict::failed() { return !state_.Lock()->violations.empty(); }

void Verdict::PrintViolations() {
  const auto state = state_.Lock();
  if (state->violations.empty()) return;
  std::puts("what happened before (monotonic clock in us, as in the histories):");
  for (const std::string& line : state->around) std::printf("  %s\n", line.c_str());
  const size_t shown = std::min(state->violations.size(), kViolationsShown);
  std::printf("%zu violations:\n", state->violations.size());
  for (size_t i = 0; i < shown; ++i) std::printf("  %s\n", state->violations[i].c_str());
}

void Verdict::Count(const std::string& what, uint64_t times) {
  const auto state = state_.Lock();
  const auto found = std::find_if(state->counts.begin(), state->counts.end(),
                                  [&](const auto& count) { return count.first == what; });
  if (found == state->counts.end()) {
    state->counts.emplace_back(what, times);
  } else {
    found->second += times;
  }
}

uint64_t Verdict::counted(const std::string& what) {
  const auto state = state_.Lock();
  for (const auto& [name, times] : state->counts) {
    if (name == what) return times;
  }
  return 0;
}

std::string Verdict::Counts() {
  const auto state = state_.Lock();
  std::string text;
  for (const auto& [name, times] : state->counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", times, name);
  }
  return text;
}

}  // namespace berth
