#pragma once

#include <google/protobuf/message_lite.h>

#include <utility>

#include "base/fd.h"
#include "base/status.h"

namespace berth {

// One end of the socket between berth-data and an I/O process: whole protobuf messages, in order.
// One thread may send while another receives. Move-only.
class IoChannel {
 public:
  // Both ends, connected.
  static StatusOr<std::pair<IoChannel, IoChannel>> MakePair();

  explicit IoChannel(Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  // UNAVAILABLE when the other end is gone. Never blocks for long: RESOURCE_EXHAUSTED when the
  // other end does not read.
  Status Send(const google::protobuf::MessageLite& message) const;

  // The next message; blocks until there is one. UNAVAILABLE when the other end is gone and nothing
  // is left to read; DATA_LOSS for something that is not a message.
  Status Receive(google::protobuf::MessageLite& message) const;

 private:
  Fd fd_;
};

}  // namespace berth
