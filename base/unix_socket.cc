#include "base/unix_socket.h"

#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace berth {
namespace {

StatusOr<bool> SomebodyAnswers(const std::string& socket_path) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path \"{}\" has {} bytes; the limit is {}", socket_path,
                    socket_path.size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return true;
  }
  // EAGAIN: somebody listens whose queue of connections is full.
  if (errno == EAGAIN) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  return ErrnoError(errno, fmt::format("look who answers on {}", socket_path));
}

}  // namespace

Status RemoveStaleSocket(const std::string& socket_path) {
  struct stat entry = {};
  if (lstat(socket_path.c_str(), &entry) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoError(errno, fmt::format("look at {}", socket_path));
  }
  if (!S_ISSOCK(entry.st_mode)) {
    return absl::FailedPreconditionError(fmt::format(
        "{} exists and is not a socket; remove it or choose another path", socket_path));
  }
  BERTH_ASSIGN_OR_RETURN(const bool in_use, SomebodyAnswers(socket_path));
  if (in_use) {
    return absl::FailedPreconditionError(
        fmt::format("another process serves {}; end it first", socket_path));
  }
  if (unlink(socket_path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, fmt::format("remove the stale socket {}", socket_path));
  }
  return absl::OkStatus();
}

}  // namespace berth
