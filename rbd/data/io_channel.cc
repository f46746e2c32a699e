#include "rbd/data/io_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/time/clock.h"

namespace berth {
namespace {

// Far above what a message holds: names, a key, an error's text.
constexpr size_t kMaxMessageBytes = size_t{64} * 1024;
constexpr size_t kControlBytes = CMSG_SPACE(IoChannel::kMaxDescriptors * sizeof(int));

// False when `deadline` has passed first.
bool WaitFor(int fd, short events, absl::Time deadline) {
  for (;;) {
    int timeout_ms = -1;
    if (deadline != absl::InfiniteFuture()) {
      const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
      timeout_ms = static_cast<int>(std::clamp<int64_t>(left_ms + 1, 0, 60'000));
    }
    pollfd polled = {fd, events, 0};
    if (poll(&polled, 1, timeout_ms) > 0) return true;
    if (absl::Now() >= deadline) return false;
  }
}

void TakeDescriptors(msghdr& header, std::vector<Fd>& descriptors) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::vector<int> numbers(count);
    std::memcpy(numbers.data(), CMSG_DATA(part), count * sizeof(int));
    for (const int number : numbers) descriptors.emplace_back(number);
  }
}

}  // namespace

StatusOr<std::pair<IoChannel, IoChannel>> IoChannel::MakePair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "make a socket pair for an I/O process");
  }
  return std::pair(IoChannel(Fd(ends[0])), IoChannel(Fd(ends[1])));
}

Status IoChannel::Send(const google::protobuf::MessageLite& message,
                       const std::vector<int>& descriptors, absl::Time deadline) const {
  std::string bytes = message.SerializeAsString();
  if (bytes.size() > kMaxMessageBytes || descriptors.size() > kMaxDescriptors) {
    return absl::InternalError("a message between processes of the data path is too long");
  }
  iovec data = {bytes.data(), bytes.size()};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, kControlBytes> control = {};
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
  }
  for (;;) {
    if (sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return absl::OkStatus();
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ErrnoError(errno, "send to another process of the data path");
    if (!WaitFor(fd_.get(), POLLOUT, deadline)) {
      return absl::ResourceExhaustedError("the other end of the socket does not read");
    }
  }
}

Status IoChannel::Receive(google::protobuf::MessageLite& message) const {
  std::vector<Fd> unexpected;
  return Receive(message, unexpected, absl::InfiniteFuture());
}

Status IoChannel::Receive(google::protobuf::MessageLite& message, std::vector<Fd>& descriptors,
                          absl::Time deadline) const {
  std::array<char, kMaxMessageBytes> buffer;
  alignas(cmsghdr) std::array<char, kControlBytes> control;
  for (;;) {
    if (!WaitFor(fd_.get(), POLLIN, deadline)) {
      return absl::DeadlineExceededError("nothing came from the other end of the socket");
    }
    iovec data = {buffer.data(), buffer.size()};
    msghdr header = {};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t count = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return ErrnoError(errno, "receive from another process of the data path");
    TakeDescriptors(header, descriptors);
    if (count == 0) return absl::UnavailableError("the other end of the socket is gone");
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        !message.ParseFromArray(buffer.data(), static_cast<int>(count))) {
      return absl::DataLossError("what came from another process of the data path is no message");
    }
    return absl::OkStatus();
  }
}

void IoChannel::RefuseMore() const { shutdown(fd_.get(), SHUT_RD); }

}  // namespace berth
