#pragma once

#include <string>

#include "base/fd.h"
#include "base/status.h"

namespace berth {

// Makes room for a server on `socket_path`: a socket on which nobody answers is what a killed
// process left, and is removed. OK when nothing is there. FAILED_PRECONDITION when somebody answers
// on it, or when it is not a socket; INVALID_ARGUMENT when the path is longer than 107 bytes. An
// error of any other kind says nothing about who serves there, and nothing is removed. Does not
// block.
Status RemoveStaleSocket(const std::string& socket_path);

// A name beside `socket_path` that nobody uses, for a socket that is bound there and gets its own
// name by PutSocketInPlace once it answers.
std::string TemporarySocketPath(const std::string& socket_path);

// Gives the socket at `temporary` the name `socket_path`, in one step, whoever served there before.
// FAILED_PRECONDITION, and `temporary` is removed, when something else than a socket is there.
Status PutSocketInPlace(const std::string& temporary, const std::string& socket_path);

// A listening SOCK_SEQPACKET socket of mode 0600 at `socket_path`, by the two above.
StatusOr<Fd> ListenInPlace(const std::string& socket_path);

// A SOCK_SEQPACKET connection to it; UNAVAILABLE when nobody listens there. Does not block.
StatusOr<Fd> ConnectSocket(const std::string& socket_path);

}  // namespace berth
