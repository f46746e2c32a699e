// Errors are values: absl::Status and absl::StatusOr everywhere, made from errno once, where the C
// call was made, and turned into a gRPC status once, where the RPC ends. absl's codes and gRPC's
// have the same numbers and meanings.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth {

using absl::Status;
using absl::StatusOr;

// The status for `error`, an errno value as Ceph's C calls return it (negative) or as errno holds
// it (positive); `what` says which operation on which object failed and becomes the start of the
// message. absl::ErrnoToStatus is not used because a fenced client (ESHUTDOWN) and a lock held
// elsewhere (EROFS) are conditions that pass with a new client or a later try, which its table does
// not say. Requires error != 0.
Status ErrnoError(int error, std::string_view what);

// The errno that ErrnoError made `status` from, as a positive number; 0 when it was made otherwise.
int ErrnoOf(const Status& status);

// `status` with "`context`: " before its message; keeps code and errno. OK stays OK.
Status Annotate(const Status& status, std::string_view context);

// True for codes after which the operation may still have happened or may still happen: the caller
// must ask again before it concludes anything (CSI: Canceled, DeadlineExceeded, Unavailable,
// Aborted, Unknown).
bool OutcomeIsUnknown(absl::StatusCode code);

}  // namespace berth

// Returns from the enclosing function when `expression` (a Status) is not OK.
#define BERTH_RETURN_IF_ERROR(expression)                                 \
  do {                                                                    \
    if (::absl::Status berth_status = (expression); !berth_status.ok()) { \
      return berth_status;                                                \
    }                                                                     \
  } while (false)

#define BERTH_CONCAT_INNER(a, b) a##b
#define BERTH_CONCAT(a, b) BERTH_CONCAT_INNER(a, b)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses
#define BERTH_ASSIGN_OR_RETURN_IMPL(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) return std::move(result).status();               \
  declaration = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

// BERTH_ASSIGN_OR_RETURN(auto fd, OpenDevice(path)): the value, or returns the error.
#define BERTH_ASSIGN_OR_RETURN(declaration, expression) \
  BERTH_ASSIGN_OR_RETURN_IMPL(BERTH_CONCAT(berth_or_, __LINE__), declaration, expression)
