#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "io_process.pb.h"

namespace berth {

// Whether Ceph accepts the user, key and pool of `open` now, tried by an I/O process of its own
// that opens no image (`command` as IoSupervisor::Options has it). Errors as
// RbdImageClient::Connect; DEADLINE_EXCEEDED when it has not ended by `deadline`, and then it is
// killed.
Status ProbeUser(const std::vector<std::string>& command, data::io::v1::Open open,
                 absl::Time deadline);

}  // namespace berth
