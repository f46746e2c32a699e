#pragma once

#include <rbd/librbd.h>

#include <atomic>
#include <memory>

#include "base/status.h"
#include "rbd/data/block_backend.h"
#include "rbd/image.h"

namespace berth {

// An open RBD image as a block device, by librbd's asynchronous calls; completions come from
// librbd's threads. While Ceph does not answer, operations wait. `image` must outlive it and all
// operations.
class RbdBackend final : public BlockBackend {
 public:
  // Errors as Image::SizeBytes.
  static StatusOr<RbdBackend> Make(const Image& image);

  uint64_t size_bytes() const override { return *size_bytes_; }
  // Asks Ceph for the image's size. True when it is larger than before; a smaller one is not taken
  // over, and what lies behind it fails. Errors as Image::SizeBytes. Blocks while Ceph does not
  // answer. Thread-safe.
  StatusOr<bool> Grow();
  void Read(uint64_t offset, std::span<char> into, Completion& completion) override;
  void Write(uint64_t offset, std::span<const char> from, Completion& completion) override;
  void Zero(uint64_t offset, uint64_t length, ZeroMode mode, Completion& completion) override;
  void Flush(Completion& completion) override;

 private:
  RbdBackend(const Image& image, uint64_t size_bytes)
      : image_(&image), size_bytes_(std::make_unique<std::atomic<uint64_t>>(size_bytes)) {}
  const Image* image_;
  std::unique_ptr<std::atomic<uint64_t>> size_bytes_;  // on the heap, so that this can be moved
};

}  // namespace berth
