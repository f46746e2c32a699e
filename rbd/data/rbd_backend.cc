#include "rbd/data/rbd_backend.h"

#include <cerrno>

namespace berth {
namespace {

// Runs on a librbd thread.
void Finish(rbd_completion_t completion, void* argument) {
  const ssize_t result = rbd_aio_get_return_value(completion);
  rbd_aio_release(completion);
  static_cast<BlockBackend::Completion*>(argument)->Complete(result < 0 ? static_cast<int>(-result)
                                                                        : 0);
}

// Starts one operation: `start` gets librbd's completion and returns 0 or a negative errno, after
// which librbd does not call back.
template <typename Start>
void Submit(BlockBackend::Completion& completion, Start start) {
  rbd_completion_t rbd_completion = nullptr;
  int result = rbd_aio_create_completion(&completion, Finish, &rbd_completion);
  if (result == 0) {
    result = start(rbd_completion);
    if (result < 0) rbd_aio_release(rbd_completion);
  }
  if (result < 0) completion.Complete(-result);
}

}  // namespace

StatusOr<RbdBackend> RbdBackend::Make(const Image& image) {
  BERTH_ASSIGN_OR_RETURN(const uint64_t size_bytes, image.SizeBytes());
  return RbdBackend(image, size_bytes);
}

StatusOr<bool> RbdBackend::Grow() {
  BERTH_ASSIGN_OR_RETURN(const uint64_t size_bytes, image_->SizeBytes());
  if (size_bytes <= *size_bytes_) return false;
  *size_bytes_ = size_bytes;
  return true;
}

void RbdBackend::Read(uint64_t offset, std::span<char> into, Completion& completion) {
  Submit(completion, [&](rbd_completion_t rbd_completion) {
    return rbd_aio_read(image_->get(), offset, into.size(), into.data(), rbd_completion);
  });
}

void RbdBackend::Write(uint64_t offset, std::span<const char> from, Completion& completion) {
  Submit(completion, [&](rbd_completion_t rbd_completion) {
    return rbd_aio_write(image_->get(), offset, from.size(), from.data(), rbd_completion);
  });
}

void RbdBackend::Zero(uint64_t offset, uint64_t length, ZeroMode mode, Completion& completion) {
  const int flags = mode == ZeroMode::kKeepAllocated ? RBD_WRITE_ZEROES_FLAG_THICK_PROVISION : 0;
  Submit(completion, [&](rbd_completion_t rbd_completion) {
    return rbd_aio_write_zeroes(image_->get(), offset, length, rbd_completion, flags, 0);
  });
}

void RbdBackend::Flush(Completion& completion) {
  Submit(completion, [&](rbd_completion_t rbd_completion) {
    return rbd_aio_flush(image_->get(), rbd_completion);
  });
}

}  // namespace berth
