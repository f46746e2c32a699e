// The API server's errors (meta.v1.Status) as absl statuses. The code says what the caller may do;
// the API's own reason stays readable beside it:
//   NotFound → NOT_FOUND; AlreadyExists → ALREADY_EXISTS; Conflict (somebody else wrote first) →
//   ABORTED; Expired and Gone (410) → OUT_OF_RANGE; BadRequest and Invalid → INVALID_ARGUMENT;
//   Unauthorized → UNAUTHENTICATED; Forbidden → PERMISSION_DENIED; TooManyRequests and 503 →
//   UNAVAILABLE; Timeout (504) → DEADLINE_EXCEEDED; an unserved method or type → UNIMPLEMENTED; any
//   other 5xx → INTERNAL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/status.h"
#include "kube/meta_v1.h"

namespace berth::kube {

// The status for an error reply. `what` names verb and object and begins the message. `retry_after`
// is the Retry-After header's value when there is one.
Status ErrorFromStatus(const meta::Status& reply, std::string_view what,
                       std::optional<absl::Duration> retry_after = std::nullopt);
// The same for a reply that is no Status object (a proxy's, say): `http_code` decides, and the
// first 200 bytes of `body` are in the message.
Status ErrorFromHttp(int http_code, std::string_view body, std::string_view what,
                     std::optional<absl::Duration> retry_after = std::nullopt);

// The API's reason ("Conflict", "Forbidden"); empty for an error that did not come from the server.
std::string ReasonOf(const Status& error);
// How long the server asked to wait before the next try.
std::optional<absl::Duration> RetryAfter(const Status& error);
// The resource version is too old: list again.
bool IsGone(const Status& error);

}  // namespace berth::kube
