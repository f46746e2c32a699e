#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/process.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "sanity-tests/testing/csi_calls.h"
#include "sanity-tests/testing/process_ref.h"

namespace berth {

// Where everything of a run is.
struct Places {
  std::string work;      // directory of sockets, logs, histories; short, for sockets' sake
  std::string bin;       // directory of the programs under test
  std::string writer;    // this program, by a path that holds in every node
  std::string clusters;  // as for --clusters
};

// Starts `argv` with its output appended to work/<log>.log.
StatusOr<ChildProcess> StartLogged(const Places& places, const std::string& log,
                                   const std::vector<std::string>& argv,
                                   std::vector<ChildProcess::Inherited> inherited);

// One berth-controller. Thread-safe.
class ControllerProgram {
 public:
  ControllerProgram(const Places& places, std::string name);
  ~ControllerProgram();
  // Starts it when it does not run, as the kubelet does; does not wait until it serves.
  Status Tend();
  void Kill();
  void Pause();
  void Resume();
  ControllerCalls& calls() { return calls_; }
  const std::string& name() const { return name_; }

 private:
  void Signal(int signal);
  const Places places_;
  const std::string name_;
  const std::string socket_;
  ControllerCalls calls_;
  Synchronized<std::optional<ChildProcess>> process_;
};

// What makes a machine: a network namespace that is there already, a mount namespace and a boot id
// of its own, berth-data and berth-node in them, and a kubelet's directories. Thread-safe.
class SimulatedNode {
 public:
  // `netns`: name of its network namespace, `link`: name of that one's device on the bridge.
  SimulatedNode(const Places& places, std::string name, std::string netns, std::string link);
  ~SimulatedNode();

  // Everything of the node ends at once, as in a power cut, and it starts under a new boot id.
  Status Reboot();
  // The power cut alone.
  void PowerOff();
  // Starts what does not run, as the kubelet does; does not wait until it serves.
  Status Tend();
  // Ends them by SIGKILL. Each has what keeps the devices alive without the other; both, one
  // shortly after the other, lose them.
  void KillData();
  void KillNode();

  // The I/O processes, or everything on the node.
  enum class What { kIo, kEverything };
  void KillIo();
  // What was stopped, for Resume.
  std::vector<ProcessRef> Pause(What what);
  static void Resume(const std::vector<ProcessRef>& processes);
  // From Ceph. Cut off as often as mended, it is connected.
  Status CutOff();
  Status Mend();

  StatusOr<ChildProcess> StartInside(const std::string& log, const std::vector<std::string>& argv,
                                     std::vector<ChildProcess::Inherited> inherited);

  // Counts what makes a device of the node fail though its claim was not taken back.
  uint64_t device_losses();
  NodeCalls& calls() { return calls_; }
  const std::string& name() const { return name_; }

 private:
  struct State {
    std::optional<ChildProcess> init;  // keeps the mount namespace
    std::optional<ChildProcess> data;
    std::optional<ChildProcess> node;
    uint64_t mount_namespace = 0;
    uint64_t boots = 0;
    absl::Time data_started = absl::InfinitePast();
    absl::Time node_started = absl::InfinitePast();
    uint64_t device_losses = 0;
    int cuts = 0;
    std::set<unsigned> fuse_connections;
  };
  Status Boot(State& state);
  Status StartPrograms(State& state);
  void EndEverything(State& state);
  StatusOr<ChildProcess> StartIn(State& state, const std::string& log,
                                 const std::vector<std::string>& argv,
                                 std::vector<ChildProcess::Inherited> inherited);
  static std::vector<ProcessRef> Find(State& state, What what);
  Status SetLink(const char* state);

  const Places places_;
  const std::string name_;
  const std::string netns_;
  const std::string link_;
  const std::string directory_;
  NodeCalls calls_;
  Synchronized<State> state_;
};

}  // namespace berth
