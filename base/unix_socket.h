#pragma once

#include <string>

#include "base/status.h"

namespace berth {

// Makes room for a server on `socket_path`: a socket on which nobody answers is what a killed
// process left, and is removed. OK when nothing is there. FAILED_PRECONDITION when somebody answers
// on it, or when it is not a socket; INVALID_ARGUMENT when the path is longer than 107 bytes. An
// error of any other kind says nothing about who serves there, and nothing is removed. Does not
// block.
Status RemoveStaleSocket(const std::string& socket_path);

}  // namespace berth
