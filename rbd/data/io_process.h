#pragma once

#include "base/status.h"
#include "io_process.pb.h"

namespace berth {

// The descriptors that an I/O process inherits: its socket to berth-data, then those of /dev/fuse,
// then the memory for requests.
inline constexpr int kIoChannelFd = 3;
inline constexpr int kFirstFuseFd = 4;

// The whole life of an I/O process, which has exactly one image open: reads what to open from its
// socket, opens it, serves it as a FUSE connection until that ends, closes it, and reports each
// step. It goes on serving when berth-data dies. The exit code: 0 when the image was closed and
// recorded so (or never opened), else 1. Must be called from main of a process started by exec,
// before other threads exist.
int RunIoProcess();

// What an I/O process said as its last word.
Status StatusOf(const data::io::v1::Ended& ended);

}  // namespace berth
