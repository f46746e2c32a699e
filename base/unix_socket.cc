#include "base/unix_socket.h"

#include <spdlog/fmt/fmt.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace berth {
namespace {

constexpr int kBacklog = 16;

StatusOr<sockaddr_un> AddressOf(const std::string& socket_path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path \"{}\" has {} bytes; the limit is {}", socket_path,
                    socket_path.size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  return address;
}

StatusOr<bool> SomebodyAnswers(const std::string& socket_path) {
  BERTH_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(socket_path));
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
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

std::string TemporarySocketPath(const std::string& socket_path) {
  uint32_t random = 0;
  [[maybe_unused]] const ssize_t count = getrandom(&random, sizeof random, 0);
  return fmt::format("{}.{:08x}", socket_path, random);
}

Status PutSocketInPlace(const std::string& temporary, const std::string& socket_path) {
  struct stat entry = {};
  Status status;
  if (lstat(socket_path.c_str(), &entry) == 0 && !S_ISSOCK(entry.st_mode)) {
    status = absl::FailedPreconditionError(fmt::format(
        "{} exists and is not a socket; remove it or choose another path", socket_path));
  } else if (std::rename(temporary.c_str(), socket_path.c_str()) != 0) {
    status = ErrnoError(errno, fmt::format("rename {} to {}", temporary, socket_path));
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

StatusOr<Fd> ListenInPlace(const std::string& socket_path) {
  const std::string temporary = TemporarySocketPath(socket_path);
  BERTH_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(temporary));
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
  // The file that bind makes gets the mode that the socket has.
  if (fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return ErrnoError(errno, fmt::format("listen on {}", socket_path));
  }
  BERTH_RETURN_IF_ERROR(PutSocketInPlace(temporary, socket_path));
  return fd;
}

StatusOr<Fd> ConnectSocket(const std::string& socket_path) {
  BERTH_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(socket_path));
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return fd;
  }
  if (errno == ECONNREFUSED || errno == ENOENT || errno == EAGAIN) {
    return absl::UnavailableError(fmt::format("nobody answers on {}", socket_path));
  }
  return ErrnoError(errno, fmt::format("connect to {}", socket_path));
}

}  // namespace berth
