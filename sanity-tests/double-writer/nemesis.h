#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/synchronized.h"
#include "programs.h"
#include "sanity-tests/testing/process_ref.h"
#include "verdict.h"

namespace berth {

// Everything that can be broken.
struct Targets {
  std::vector<std::unique_ptr<SimulatedNode>> nodes;
  std::vector<std::unique_ptr<ControllerProgram>> controllers;
  std::vector<ProcessRef> osds;
  std::vector<ProcessRef> monitors;
};

// One thing that is broken, and for how long.
struct Fault {
  enum class Kind {
    kKillIo,
    kKillData,
    kKillNode,
    kKillController,
    kPauseIo,
    kPauseNode,
    kPauseController,
    kPauseOsd,
    kPauseMonitor,
    kCutOffNode,
    kCrashNode,
  };
  Kind kind = Kind::kKillIo;
  size_t target = 0;        // counts within its kind, modulo how many there are
  absl::Duration start;     // from the beginning of the run
  absl::Duration duration;  // of a pause or a cut
};

// The faults of a run, all drawn beforehand: the same seed gives the same ones.
std::vector<Fault> DrawFaults(uint64_t seed, absl::Duration run);
std::string Describe(const Fault& fault);

// Breaks things as planned, mends each in its time, and starts killed programs again. One thread of
// its own, which waits for nothing else.
class Nemesis {
 public:
  Nemesis(Targets& targets, Verdict& verdict);
  ~Nemesis();

  void Plan(const std::vector<Fault>& faults, absl::Time begin);
  // Runs `action` once, at `time` or when everything is mended at the end. Thread-safe.
  void At(absl::Time time, std::function<void()> action);
  // Drops what is planned, and mends at once what is broken. Nothing is broken afterwards.
  void End();

 private:
  struct Entry {
    absl::Time time;
    bool mends = false;
    std::function<void()> action;
  };
  struct State {
    std::vector<Entry> entries;
    bool ending = false;
  };
  void Run();
  void Break(const Fault& fault);
  // Takes the first entry that is due, also before its time when everything ends; nothing when
  // none is until `until`, or ever.
  std::optional<Entry> Next(absl::Time until);
  std::function<void()> Inflict(const Fault& fault);
  void Complain(const Status& status);

  Targets& targets_;
  Verdict& verdict_;
  Synchronized<State> state_;
  std::thread thread_;
};

}  // namespace berth
