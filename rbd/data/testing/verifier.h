#pragma once

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "rbd/data/testing/device_file.h"

namespace berth {

// An application: writes and verifies blocks of its own part of a device until told to stop. Every
// block that it has written keeps what it wrote, and is read again before it is written anew.
class Verifier {
 public:
  Verifier(const std::string& device, uint64_t first_block, uint64_t blocks)
      : device_(device, O_RDWR),
        first_block_(first_block),
        blocks_(blocks),
        thread_([this] { Run(); }) {}
  ~Verifier() { Stop(); }
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Waits until it has done so much more; false when it has not within `timeout`.
  bool Progresses(uint64_t rounds, absl::Duration timeout) const {
    const uint64_t until = rounds_ + rounds;
    for (const absl::Time deadline = absl::Now() + timeout; rounds_ < until;) {
      if (absl::Now() >= deadline || stop_) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::string failure() const { return failure_; }  // after Stop
  uint64_t rounds() const { return rounds_; }
  absl::Duration longest_pause() const { return longest_pause_; }  // after Stop

 private:
  void Run() {
    absl::Time last = absl::Now();
    for (uint64_t stamp = 1; !stop_ && failure_.empty(); ++stamp, ++rounds_) {
      const uint64_t block = first_block_ + stamp % blocks_;
      Check(block, stamp > blocks_ ? stamp - blocks_ : 0);
      if (const int error = device_.WriteBlock(block, stamp)) {
        failure_ = "write: errno " + std::to_string(error);
      }
      Check(block, stamp);
      const absl::Time now = absl::Now();
      longest_pause_ = std::max(longest_pause_, now - last);
      last = now;
    }
  }
  void Check(uint64_t block, uint64_t stamp) {
    uint64_t found = 0;
    if (stamp == 0 || !failure_.empty()) return;
    if (const int error = device_.ReadBlock(block, found)) {
      failure_ = "read: errno " + std::to_string(error);
    } else if (found != stamp) {
      failure_ = "block " + std::to_string(block) + " holds " + std::to_string(found) +
                 " instead of " + std::to_string(stamp);
    }
  }

  DeviceFile device_;
  const uint64_t first_block_;
  const uint64_t blocks_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> rounds_ = 0;
  std::string failure_;
  absl::Duration longest_pause_;
  std::thread thread_;
};

}  // namespace berth
