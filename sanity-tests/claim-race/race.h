// The race of the writer claim: two controller processes publish and unpublish one image at random,
// two node processes open it whenever the claim is theirs and write; some close, some just stop and
// must be fenced.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "rbd/connections.h"
#include "rbd/volume_handle.h"

namespace berth {

// What all processes of a race see, in shared memory.
struct Scoreboard {
  std::atomic<uint64_t> newest_epoch;  // of a node that has finished opening the image
  std::atomic<uint64_t> grants;        // how often an open finished
  std::atomic<uint64_t> writes;        // acknowledged
  std::atomic<uint64_t> fenced;        // writers that found themselves fenced
  std::atomic<uint64_t>
      violations;  // acknowledged writes of an epoch that was over when they were issued
  std::atomic<uint64_t> errors;  // calls that failed in a way that the race does not explain
  std::atomic<bool> stop;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Maps the scoreboard in file `path`, which is made when missing. Throws std::runtime_error.
Scoreboard& MapScoreboard(const std::string& path);

// The roles' main functions; they return when `board.stop` is set. `seed` decides every random
// choice.
void RunController(Connections& connections, const VolumeHandle& volume, Scoreboard& board,
                   uint64_t seed);
void RunNode(Connections& connections, const VolumeHandle& volume, const std::string& node,
             Scoreboard& board, uint64_t seed);

}  // namespace berth
