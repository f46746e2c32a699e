#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"

namespace berth {

// One holder per key; others wait in order until their deadline. Requests for the same volume queue
// here instead of bouncing with ABORTED. It orders calls inside one process only: what is true
// about a volume is decided by the registry. Thread-safe.
class KeyedGuard {
 public:
  // Keeps the key while it lives. Movable, so that work that outlives its RPC can carry it along.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept;
    Hold& operator=(Hold&& other) noexcept;
    ~Hold();

   private:
    friend class KeyedGuard;
    Hold(KeyedGuard* guard, std::string key) : guard_(guard), key_(std::move(key)) {}
    void Release();
    KeyedGuard* guard_ = nullptr;
    std::string key_;
  };

  // `max_waiting_per_key`: how many callers may queue behind the holder of one key.
  explicit KeyedGuard(size_t max_waiting_per_key = 16) : max_waiting_(max_waiting_per_key) {}

  // Waits for `key`, first come first served. ABORTED when the deadline passes or the queue is
  // full: CSI's "operation pending for volume", after which the caller retries with back-off.
  StatusOr<Hold> Acquire(std::string_view key, absl::Time deadline);

 private:
  // Tickets in the order of arrival; the first one holds the key.
  struct Queue {
    uint64_t next_ticket = 0;
    std::deque<uint64_t> line;
  };
  void Release(const std::string& key);

  const size_t max_waiting_;
  Synchronized<std::map<std::string, Queue, std::less<>>> queues_;
};

}  // namespace berth
