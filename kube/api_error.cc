#include "kube/api_error.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace berth::kube {
namespace {

constexpr char kReason[] = "berth.storage/kubernetes-reason";
constexpr char kRetryAfter[] = "berth.storage/retry-after";
constexpr size_t kMaxQuotedBytes = 200;

absl::StatusCode CodeOf(int http_code, std::string_view reason) {
  switch (http_code) {
    case 400:
    case 413:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 405:
    case 406:
    case 415:
      return absl::StatusCode::kUnimplemented;
    case 409:
      return reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                       : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
    case 502:
    case 503:
      return absl::StatusCode::kUnavailable;
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::optional<std::string> Payload(const Status& error, const char* type) {
  const absl::optional<absl::Cord> payload = error.GetPayload(type);
  if (!payload) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

Status ErrorFromStatus(const meta::Status& reply, std::string_view what,
                       std::optional<absl::Duration> retry_after) {
  std::string message = reply.message();
  absl::StatusCode code = CodeOf(reply.code(), reply.reason());
  // A JSON patch whose test failed is a lost race, not a bad request. The server says only that it
  // rejects the request, without the causes that each validation error lists.
  if (reply.code() == 422 && reply.details().causes().empty()) {
    code = absl::StatusCode::kAborted;
    message = "the object has changed meanwhile (a test of the patch failed)";
  }
  Status error(code, fmt::format("{}: {}", what, message));
  error.SetPayload(kReason, absl::Cord(reply.reason()));
  if (reply.details().retryafterseconds() > 0) {
    retry_after = absl::Seconds(reply.details().retryafterseconds());
  }
  if (retry_after) error.SetPayload(kRetryAfter, absl::Cord(absl::FormatDuration(*retry_after)));
  return error;
}

Status ErrorFromHttp(int http_code, std::string_view body, std::string_view what,
                     std::optional<absl::Duration> retry_after) {
  Status error(CodeOf(http_code, ""),
               fmt::format("{}: HTTP {}: {}", what, http_code, body.substr(0, kMaxQuotedBytes)));
  if (retry_after) error.SetPayload(kRetryAfter, absl::Cord(absl::FormatDuration(*retry_after)));
  return error;
}

std::string ReasonOf(const Status& error) { return Payload(error, kReason).value_or(""); }

std::optional<absl::Duration> RetryAfter(const Status& error) {
  const std::optional<std::string> text = Payload(error, kRetryAfter);
  absl::Duration duration;
  if (!text || !absl::ParseDuration(*text, &duration)) return std::nullopt;
  return duration;
}

bool IsGone(const Status& error) { return error.code() == absl::StatusCode::kOutOfRange; }

}  // namespace berth::kube
