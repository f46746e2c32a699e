#pragma once

#include <cstdint>
#include <span>

namespace berth {

// What a served block device is made of: bytes at offsets, asynchronously. librbd's images are one
// (rbd_backend.h), memory is another (memory_backend.h); block_backend_contract_test.h holds for
// both. Thread-safe; operations that overlap in time are in no order to each other.
class BlockBackend {
 public:
  // Where the outcome of one operation goes. It must live until Complete was called.
  class Completion {
   public:
    // Called exactly once per operation, from any thread, possibly before the call that started
    // the operation returns. `error` is 0 or a positive errno; ESHUTDOWN: this client was fenced
    // and will never write again.
    virtual void Complete(int error) = 0;

   protected:
    ~Completion() = default;
  };

  enum class ZeroMode {
    kDeallocate,     // reads as zeros, and the storage behind it is given back where possible
    kKeepAllocated,  // reads as zeros, and the storage stays taken
  };

  virtual ~BlockBackend() = default;

  virtual uint64_t size_bytes() const = 0;

  // The ranges must lie inside the device; memory must stay as it is until the completion.
  virtual void Read(uint64_t offset, std::span<char> into, Completion& completion) = 0;
  virtual void Write(uint64_t offset, std::span<const char> from, Completion& completion) = 0;
  virtual void Zero(uint64_t offset, uint64_t length, ZeroMode mode, Completion& completion) = 0;
  // Completes after everything that completed before the call is on stable storage.
  virtual void Flush(Completion& completion) = 0;
};

}  // namespace berth
