#pragma once

#include <set>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/synchronized.h"
#include "rbd/volumes.h"

namespace berth {

// Purges what DeleteVolume put into the trash, in a thread of its own: soon after a delete, and
// every `interval` in every pool for RBD, which also finishes what an earlier run left.
// Thread-safe.
class TrashSweeper {
 public:
  TrashSweeper(Connections& connections, Volumes& volumes, absl::Duration interval);
  // Waits for the image that is being purged.
  ~TrashSweeper();
  TrashSweeper(const TrashSweeper&) = delete;
  TrashSweeper& operator=(const TrashSweeper&) = delete;

  // A volume of this pool was deleted. Never blocks.
  void Wake(const VolumeHandle& volume);

 private:
  struct State {
    std::set<VolumeHandle> pools;  // image left empty: the pools and namespaces with fresh trash
    std::set<VolumeHandle> known;  // every one that was ever named
    bool ending = false;
  };
  void Run();
  std::set<VolumeHandle> AllPools();
  void Sweep(const VolumeHandle& pool, bool finish_deletions);

  Connections& connections_;
  Volumes& volumes_;
  const absl::Duration interval_;
  Synchronized<State> state_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace berth
