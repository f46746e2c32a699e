#pragma once

#include <string>

#include "absl/time/time.h"
#include "rbd/connections.h"

namespace berth {

// Forgets the fences of client instances whose processes are gone, as their files in `directory`
// show (rbd/data/instance_file.h), and removes the files of those that nobody can fence any more.
// An orderly detach confirms its own (rbd/confirming_attacher.h): this is for what died with those
// who looked after it. Blocks as Connections does. Returns how long to wait until the next look.
absl::Duration ConfirmGoneInstances(const std::string& directory, Connections& connections);

}  // namespace berth
