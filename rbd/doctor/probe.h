#pragma once

#include <optional>

#include "base/status.h"
#include "rbd/doctor/observation.h"
#include "rbd/rados.h"

namespace berth {

// Monitors, versions and health of a cluster. Errors: as the monitors answer; INTERNAL when an
// answer cannot be read. Blocks up to the client's timeout per question.
StatusOr<CephState> AskCeph(const RadosClient& client);

// Whether this user may fence. Asks for an entry with an address that is none: who may is told so
// by the parser, who may not by the caps, which Ceph looks at first. Nothing changes either way.
StatusOr<std::optional<MissingCaps>> ProbeFencing(const RadosClient& client);

// Whether this user may read anything in the pool of `io`.
StatusOr<bool> ProbeReading(const IoContext& io, const std::string& pool);

// Whether this user may change images and records in the pool of `io`: an operation on an object
// that does not exist and must, so that nothing changes.
StatusOr<std::optional<MissingCaps>> ProbeWriting(const RadosClient& client, const IoContext& io,
                                                  const std::string& pool);

}  // namespace berth
