#pragma once

#include <atomic>
#include <string>

#include "base/synchronized.h"
#include "rbd/data/block_backend.h"

namespace berth {

// A block device in memory, for tests and for measuring what the transport alone costs. Operations
// complete inside the call.
class MemoryBackend final : public BlockBackend {
 public:
  explicit MemoryBackend(uint64_t size_bytes) : size_bytes_(size_bytes), bytes_(size_bytes, '\0') {}

  uint64_t size_bytes() const override { return size_bytes_; }
  void Read(uint64_t offset, std::span<char> into, Completion& completion) override;
  void Write(uint64_t offset, std::span<const char> from, Completion& completion) override;
  void Zero(uint64_t offset, uint64_t length, ZeroMode mode, Completion& completion) override;
  void Flush(Completion& completion) override;

  // From now on every operation fails with this errno; 0: they work again.
  void FailWith(int error) { error_ = error; }
  int flushes() const { return flushes_; }

 private:
  const uint64_t size_bytes_;
  Synchronized<std::string> bytes_;
  std::atomic<int> error_ = 0;
  std::atomic<int> flushes_ = 0;
};

}  // namespace berth
