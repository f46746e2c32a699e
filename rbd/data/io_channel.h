#pragma once

#include <google/protobuf/message_lite.h>

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"

namespace berth {

// One end of a socket between two processes of the data path: whole protobuf messages, in order,
// with descriptors that go along as copies. One thread may send while another receives. Move-only.
class IoChannel {
 public:
  // Both ends, connected.
  static StatusOr<std::pair<IoChannel, IoChannel>> MakePair();

  // `fd`: a connected socket of type SOCK_SEQPACKET.
  explicit IoChannel(Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  Fd Release() { return std::move(fd_); }

  // UNAVAILABLE when the other end is gone; RESOURCE_EXHAUSTED when the other end has not read what
  // came before until `deadline`. A message has at most 64 KiB and kMaxDescriptors.
  Status Send(const google::protobuf::MessageLite& message,
              const std::vector<int>& descriptors = {},
              absl::Time deadline = absl::InfinitePast()) const;

  // The next message; blocks until there is one. UNAVAILABLE when the other end is gone and nothing
  // is left to read; DATA_LOSS for something that is not a message.
  Status Receive(google::protobuf::MessageLite& message) const;
  // The same with what came along; DEADLINE_EXCEEDED when nothing came until `deadline`.
  Status Receive(google::protobuf::MessageLite& message, std::vector<Fd>& descriptors,
                 absl::Time deadline) const;

  // From now on the other end cannot send; what it has sent can still be received.
  void RefuseMore() const;

  static constexpr size_t kMaxDescriptors = 64;

 private:
  Fd fd_;
};

}  // namespace berth
