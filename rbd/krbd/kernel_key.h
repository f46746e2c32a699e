#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"

namespace berth {

// A Ceph key in the kernel's keyring of the calling thread, where the kernel's rbd finds it by its
// description while it maps an image for this thread, and nobody else does. Taken out again when
// this goes, which must be on the same thread; a mapped image keeps a copy of its own. Move-only.
class KernelKey {
 public:
  // `key` as a keyring file has it (base64). FAILED_PRECONDITION when the kernel has no keys of
  // Ceph (module libceph) or does not let this process add any; INVALID_ARGUMENT when `key` is
  // none.
  static StatusOr<KernelKey> Add(const std::string& description, const std::string& key);

  KernelKey(KernelKey&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  KernelKey& operator=(KernelKey&&) = delete;
  ~KernelKey();

 private:
  explicit KernelKey(int32_t id) : id_(id) {}
  int32_t id_;
};

}  // namespace berth
