#include "rbd/krbd/kernel_key.h"

#include <linux/keyctl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/escaping.h"

namespace berth {

StatusOr<KernelKey> KernelKey::Add(const std::string& description, const std::string& key) {
  std::string payload;
  if (!absl::Base64Unescape(key, &payload) || payload.empty()) {
    return absl::InvalidArgumentError("the user's key is not what `ceph auth get-key` prints");
  }
  const long id = syscall(SYS_add_key, "ceph", description.c_str(), payload.data(), payload.size(),
                          KEY_SPEC_THREAD_KEYRING);
  if (id >= 0) return KernelKey(static_cast<int32_t>(id));
  switch (errno) {
    case ENODEV:
      return absl::FailedPreconditionError(
          "the kernel knows no Ceph keys: load its module rbd (`modprobe rbd`)");
    case EPERM:
    case ENOSYS:
      return absl::FailedPreconditionError(
          "this process may not add keys to the kernel's keyring: its container must be "
          "privileged, "
          "or its seccomp profile must allow add_key and keyctl");
    default:
      return ErrnoError(errno, "add a key to the kernel's keyring");
  }
}

KernelKey::~KernelKey() {
  if (id_ != 0) syscall(SYS_keyctl, KEYCTL_UNLINK, id_, KEY_SPEC_THREAD_KEYRING);
}

}  // namespace berth
