#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "rbd/testing/memory_rados.h"

namespace berth::exploration {

// Watches over what docs/rwo.md promises, from outside: it sees what takes effect and nothing of
// what the protocol believes.
class Promise {
 public:
  // A process on `node` is about to open the image under the claim of `epoch`.
  void Started(const std::string& instance, const std::string& node, uint64_t epoch);
  void Opened(const std::string& instance) { instances_.at(instance).open = true; }
  void Closed(const std::string& instance) { instances_.at(instance).open = false; }
  void Died(const std::string& instance) { instances_.at(instance).alive = false; }

  // The data's OSD has served an operation of `instance`. No write may come behind what a later
  // one has seen.
  void ReadServed(const std::string& instance);
  void WriteServed(const std::string& instance);

  // ControllerUnpublishVolume answers OK; the claim's epoch was `epoch` when it was called. Nothing
  // of `node` from then may be able to write.
  void Unpublished(const std::string& node, uint64_t epoch, const MemoryRados& rados);

  // What was broken first.
  const std::optional<std::string>& broken() const { return broken_; }
  void Break(const std::string& how);

  std::string Fingerprint() const;

 private:
  struct Instance {
    std::string node;
    uint64_t epoch = 0;
    uint64_t order = 0;  // among those of its epoch
    bool alive = true;
    bool open = false;
  };
  std::map<std::string, Instance> instances_;
  std::string latest_;  // the latest of those whose operation the data's OSD has served
  std::optional<std::string> broken_;
};

}  // namespace berth::exploration
