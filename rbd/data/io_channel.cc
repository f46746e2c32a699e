#include "rbd/data/io_channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

namespace berth {
namespace {

// Far above what a message holds: names, a key, an error's text.
constexpr size_t kMaxMessageBytes = size_t{64} * 1024;

}  // namespace

StatusOr<std::pair<IoChannel, IoChannel>> IoChannel::MakePair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "make a socket pair for an I/O process");
  }
  return std::pair(IoChannel(Fd(ends[0])), IoChannel(Fd(ends[1])));
}

Status IoChannel::Send(const google::protobuf::MessageLite& message) const {
  const std::string bytes = message.SerializeAsString();
  if (bytes.size() > kMaxMessageBytes) {
    return absl::InternalError("a message to or from an I/O process is too long");
  }
  for (;;) {
    if (send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
      return absl::OkStatus();
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      return absl::ResourceExhaustedError("the other end of an I/O process's socket is stuck");
    }
    return ErrnoError(errno, "send between berth-data and its I/O process");
  }
}

Status IoChannel::Receive(google::protobuf::MessageLite& message) const {
  std::array<char, kMaxMessageBytes> buffer;
  for (;;) {
    const ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError(errno, "receive between berth-data and its I/O process");
    if (count == 0) return absl::UnavailableError("the other end of the socket is gone");
    if (!message.ParseFromArray(buffer.data(), static_cast<int>(count))) {
      return absl::DataLossError("what came between berth-data and its I/O process is no message");
    }
    return absl::OkStatus();
  }
}

}  // namespace berth
