#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control.h"
#include "sanity-tests/testing/csi_calls.h"
#include "world.h"

namespace berth {

// One crash of a life: in which step, and where.
struct PlannedCrash {
  size_t step = 0;
  CrashPoint point;
};
std::string Describe(const PlannedCrash& crash);

// How often each symbol was met by each program in a step.
using Meetings = std::vector<std::vector<uint32_t>>;  // [program][symbol]

// What came of a life.
struct LifeReport {
  std::vector<std::string> answers;  // of each step that was done
  std::vector<Meetings> meetings;    // in each step, when there was no crash
  bool crashed = false;              // the planned crash was met
  std::set<std::string> refusals;    // codes that a repeated call was answered with meanwhile
  std::vector<std::string> wrong;    // empty: everything was as it must be
};

// A volume's whole life: it is made, attached, formatted, written, detached, attached again, read,
// taken away from under its pod by a fence, and deleted; between, each program starts again while
// the volume is in use. A step whose program dies is repeated as Kubernetes does.
class Life {
 public:
  Life(World& world, const std::string& name);
  // To its end, or until something is wrong. `expected`: the answers of a life without a crash;
  // empty: not known yet.
  LifeReport Run(const std::optional<PlannedCrash>& crash,
                 const std::vector<std::string>& expected);

  static size_t step_count();
  static const char* StepName(size_t step);
  // Whether the programs promise to outlive a death of `program` in that step.
  static bool MayDie(size_t step, Program program);

 private:
  struct Step {
    const char* name;
    StatusOr<std::string> (Life::*act)();
  };
  static const std::vector<Step>& Steps();

  StatusOr<std::string> Create();
  StatusOr<std::string> ControllerPublish();
  StatusOr<std::string> Stage();
  StatusOr<std::string> Publish();
  StatusOr<std::string> Write();
  StatusOr<std::string> Read();
  StatusOr<std::string> RestartController();
  StatusOr<std::string> RestartNode();
  StatusOr<std::string> RestartData();
  StatusOr<std::string> Unpublish();
  StatusOr<std::string> Unstage();
  StatusOr<std::string> ControllerUnpublish();
  StatusOr<std::string> Delete();

  StatusOr<std::string> Restart(Program program);
  // Repeats the step until it is answered with OK.
  StatusOr<std::string> RepeatUntilDone(const Step& step, LifeReport& report);
  void CheckRemains(LifeReport& report);

  World& world_;
  TestVolume volume_;
  uint64_t epoch_ = 0;
  const std::string pattern_;
  bool restarted_ = false;  // this step has killed its program already
  bool deleted_ = false;
};

}  // namespace berth
