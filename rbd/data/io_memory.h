#pragma once

#include <cstddef>
#include <utility>

#include "base/status.h"

namespace berth {

// Page-aligned memory that is there from the beginning: taken and touched when made, so that
// serving I/O allocates nothing (the write that is being served may be what reclaim waits for), and
// so that the kernel never has to fault a page in for a reader that is being killed. Move-only.
class IoMemory {
 public:
  // RESOURCE_EXHAUSTED when the system has none left.
  static StatusOr<IoMemory> Make(size_t bytes);

  IoMemory() = default;
  IoMemory(IoMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  IoMemory& operator=(IoMemory&& other) noexcept;
  ~IoMemory() { Reset(); }

  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  IoMemory(char* data, size_t size) : data_(data), size_(size) {}
  void Reset();
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace berth
