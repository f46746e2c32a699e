#include "rbd/data/memory_backend.h"

#include <algorithm>

namespace berth {

void MemoryBackend::Read(uint64_t offset, std::span<char> into, Completion& completion) {
  const int error = error_;
  if (error == 0) {
    const auto bytes = bytes_.Lock();
    std::copy_n(bytes->begin() + static_cast<ptrdiff_t>(offset), into.size(), into.begin());
  }
  completion.Complete(error);
}

void MemoryBackend::Write(uint64_t offset, std::span<const char> from, Completion& completion) {
  const int error = error_;
  if (error == 0) {
    const auto bytes = bytes_.Lock();
    std::copy(from.begin(), from.end(), bytes->begin() + static_cast<ptrdiff_t>(offset));
  }
  completion.Complete(error);
}

void MemoryBackend::Zero(uint64_t offset, uint64_t length, ZeroMode, Completion& completion) {
  const int error = error_;
  if (error == 0) {
    const auto bytes = bytes_.Lock();
    std::fill_n(bytes->begin() + static_cast<ptrdiff_t>(offset), length, '\0');
  }
  completion.Complete(error);
}

void MemoryBackend::Flush(Completion& completion) {
  ++flushes_;
  completion.Complete(error_);
}

}  // namespace berth
