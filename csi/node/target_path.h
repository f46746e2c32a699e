// The paths that a CO names for a volume. CSI, NodePublishVolume: the CO makes the parent
// directory, the plugin makes the target itself, and NodeUnpublishVolume removes it.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace berth {

// FAILED_PRECONDITION, naming `field`, when `path` is not a directory (a mounted one that answers
// nothing counts as one).
Status CheckIsDirectory(std::string_view field, const std::string& path);

// Makes the directory (mode 0750) or the empty file (mode 0600) `path`; OK when it is there.
// FAILED_PRECONDITION when something of another kind is, or the parent directory is missing.
Status MakeTargetDirectory(const std::string& path);
Status MakeTargetFile(const std::string& path);

// Removes `path`, at which nothing is mounted: an empty directory or an empty file. OK when it is
// not there. FAILED_PRECONDITION when it holds something: that is nothing of ours.
Status RemoveTarget(const std::string& path);

}  // namespace berth
