#pragma once

#include <string>

#include "base/status.h"

namespace berth {

// Checks the ext4 file system on `device`, which must not be mounted, and repairs what can be
// repaired without a question ("e2fsck -p"). One that was unmounted cleanly, or whose journal only
// has to be replayed, takes no longer than that; one marked as damaged is checked whole. e2fsck is
// never stopped by a deadline.
//
// e2fsck's exit code is a sum of bits: 0 nothing to do; 1 repaired; 2 repaired, and whoever has it
// mounted must reboot (nobody has: like 1); 4 damage is left that a person must decide about:
// DATA_LOSS with e2fsck's words and the command to run; 8 it could not work (device unreadable or
// in use): UNAVAILABLE; 16, 32, 128 usage, interrupted, library: INTERNAL.
Status CheckExt4(const std::string& device);

}  // namespace berth
