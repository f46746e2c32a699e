#pragma once

#include "base/grpc_status.h"
#include "base/status.h"
#include "data_path.grpc.pb.h"
#include "rbd/attacher.h"

namespace berth {

// rbd/data_path.proto's messages from and to rbd/attacher.h's structs. Both sides of the socket
// use them. Reading fails with INVALID_ARGUMENT for a malformed volume handle.
data::v1::AttachRequest ToMessage(const AttachRequest& request);
StatusOr<AttachRequest> FromMessage(const data::v1::AttachRequest& message);
data::v1::Attachment ToMessage(const Attachment& attachment);
StatusOr<Attachment> FromMessage(const data::v1::Attachment& message);

}  // namespace berth
