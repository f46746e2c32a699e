#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/process.h"
#include "base/status.h"
#include "control.h"
#include "rbd/connections.h"
#include "rbd/data/client.h"
#include "sanity-tests/testing/csi_calls.h"
#include "sanity-tests/testing/process_ref.h"

namespace berth {

// Where everything of a world is.
struct Places {
  std::string work;             // a directory of its own, short for sockets' sake
  std::string bin;              // of the programs under test and of the library with the points
  std::string clusters;         // as for --clusters
  std::string rados_namespace;  // of its own
};

// A controller and a node whose programs can be killed at any crash point, and which start again as
// in Kubernetes. Its mounts are in the mount namespace of the test. Not thread-safe; several worlds
// may be used at once.
class World {
 public:
  // Makes the directories and the RADOS namespace, and starts the programs.
  static StatusOr<std::unique_ptr<World>> Start(const Places& places);
  // Everything ends; what the programs left in the kernel goes too.
  ~World();

  // Starts what does not run and waits until it serves. UNAVAILABLE when one dies meanwhile.
  Status Tend();
  // SIGKILL; returns when it has ended. Not for the I/O processes.
  void Kill(Program program);
  // Returns when a program ends, and after `longest` at the latest.
  void WaitForEnd(absl::Duration longest);
  // Waits until berth-node and berth-data both hold what the attached volume's device lives by.
  Status AwaitBothHold();

  // From now on crash points are counted, and the program that meets `crash` dies of it.
  void Arm(const std::optional<CrashPoint>& crash);
  // True when it was met since Arm.
  bool Disarm();
  const CrashControl& control() const { return *control_; }

  // The programs of this world that run, I/O processes included.
  std::vector<ProcessRef> Processes() const;

  ControllerCalls& controller() { return controller_; }
  NodeCalls& node() { return node_; }
  Connections& connections() { return connections_; }
  const Places& places() const { return places_; }
  std::string state_directory() const { return places_.work + "/state"; }

  static constexpr char kNodeId[] = "n1";

 private:
  explicit World(const Places& places);
  Status MakeControl();
  std::vector<std::string> CommandOf(Program program) const;
  Status StartProgram(Program program);
  Status AwaitServing(Program program);
  bool Serves(Program program);
  std::optional<ChildProcess>& ProcessOf(Program program) {
    return processes_[static_cast<size_t>(program)];
  }

  const Places places_;
  const std::string control_path_;
  CrashControl* control_ = nullptr;
  Connections connections_;
  ControllerCalls controller_;
  NodeCalls node_;
  DataPathClient data_;
  std::optional<ChildProcess> processes_[kProgramCount];
};

}  // namespace berth
