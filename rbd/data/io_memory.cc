#include "rbd/data/io_memory.h"

#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace berth {

StatusOr<IoMemory> IoMemory::Make(size_t bytes) {
  void* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return ErrnoError(errno, fmt::format("take {} bytes for I/O", bytes));
  // By hand, because MAP_POPULATE does nothing after mlockall with MCL_ONFAULT.
  std::memset(data, 0, bytes);
  return IoMemory(static_cast<char*>(data), bytes);
}

IoMemory& IoMemory::operator=(IoMemory&& other) noexcept {
  if (this != &other) {
    Reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void IoMemory::Reset() {
  if (data_ != nullptr) munmap(std::exchange(data_, nullptr), size_);
}

}  // namespace berth
