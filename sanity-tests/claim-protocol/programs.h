#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rbd/fences.h"
#include "rbd/record.h"
#include "rbd/registry.h"
#include "rbd/testing/memory_client.h"
#include "world.h"

namespace berth::exploration {

inline constexpr char kImage[] = "v";

// What the programs of one world share: what the container orchestrator knows.
struct Orchestrator {
  // Per node the epoch under which it shall stage the volume, and whether anybody will still call
  // it.
  std::map<std::string, uint64_t> staged;
  int controllers = 0;  // that may still publish
  std::string Fingerprint() const;
};

// A call of the container orchestrator to a controller.
struct Call {
  enum class Kind { kPublish, kUnpublish } kind;
  std::string node;  // empty: whoever holds it
  bool operator==(const Call&) const = default;
};

// One controller process: makes `calls` in their order, each until its answer is final, as the
// external attacher and Berth's own loops do. A process that dies starts again with the call.
class Controller {
 public:
  Controller(World& world, Orchestrator& orchestrator, std::string name, std::vector<Call> calls);

  void Run();
  // One call, and what the orchestrator does when it hears that it is OK. Also outside of any
  // program.
  Status Make(const Call& call);
  void Hear(const Call& call);

 private:
  Status Publish(const std::string& node);
  Status Unpublish(const std::string& node);
  VolumeRecord Now() const;

  World& world_;
  Orchestrator& orchestrator_;
  const std::string name_;
  const std::vector<Call> calls_;
  MemoryRados::Client client_;
  MemoryFencer fencer_;
  Registry registry_;
  Fences fences_;
  uint64_t published_epoch_ = 0;  // that the last publish answered
};

// One node: stages the volume when it is told an epoch, writes, unstages. An I/O process that dies
// has a successor, or the whole node boots.
class Node {
 public:
  Node(World& world, Orchestrator& orchestrator, std::string name)
      : world_(world), orchestrator_(orchestrator), name_(std::move(name)) {}

  void Run();
  // So that processes of another object with this node's name have other addresses.
  void SetProcesses(int processes) { processes_ = processes; }
  // Opens the image under `epoch`, writes once and closes it.
  Status Use(uint64_t epoch);

 private:
  std::string State(uint64_t epoch) const;
  Status UseOnce(uint64_t epoch, const std::string& instance);

  World& world_;
  Orchestrator& orchestrator_;
  const std::string name_;
  int boots_ = 1;
  int processes_ = 0;
  std::vector<std::string> dead_;  // of this boot's processes
};

// Makes the volume's record and image.
void MakeVolume(World& world);

}  // namespace berth::exploration
