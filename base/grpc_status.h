// A Status on its way through gRPC: absl's and gRPC's codes have the same numbers and meanings. In
// a header of its own, so that only who speaks gRPC needs it.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "base/status.h"

namespace berth {

inline grpc::Status ToGrpc(const Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

inline Status FromGrpc(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace berth
