#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/time/time.h"

namespace berth {

// Data that cannot be reached without its lock:
//   Synchronized<Queue> queue;
//   auto locked = queue.Lock();
//   locked->push_back(x);
//   locked.NotifyAll();
// The lock is held while `locked` lives.
template <typename T>
class Synchronized {
 public:
  class Locked {
   public:
    T& operator*() const { return owner_->data_; }
    T* operator->() const { return &owner_->data_; }

    // Releases the lock while it waits; true when `ready` became true before `deadline`.
    template <typename Predicate>
    bool WaitUntil(absl::Time deadline, Predicate ready) {
      if (deadline == absl::InfiniteFuture()) {
        owner_->changed_.wait(lock_, ready);
        return true;
      }
      return owner_->changed_.wait_until(lock_, absl::ToChronoTime(deadline), ready);
    }
    // Wakes whoever waits in WaitUntil.
    void NotifyAll() { owner_->changed_.notify_all(); }

   private:
    friend class Synchronized;
    explicit Locked(Synchronized* owner) : owner_(owner), lock_(owner->mutex_) {}
    Synchronized* owner_;
    std::unique_lock<std::mutex> lock_;
  };

  template <typename... Args>
  explicit Synchronized(Args&&... args) : data_(std::forward<Args>(args)...) {}
  Synchronized(const Synchronized&) = delete;
  Synchronized& operator=(const Synchronized&) = delete;

  Locked Lock() { return Locked(this); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T data_;
};

}  // namespace berth
