#include "kube/reflector.h"

#include <algorithm>
#include <utility>

#include "kube/api_error.h"
#include "kube/backoff.h"
#include "kube/json_object.h"

namespace berth::kube {
namespace {

constexpr char kInitialEventsEnd[] = "k8s.io/initial-events-end";
constexpr Backoff::Options kRetry{absl::Milliseconds(200), absl::Seconds(30), 0.5};
// A watch that lived for this long worked; what ends it then is no reason to wait.
constexpr absl::Duration kHealthyWatch = absl::Seconds(10);

// An older API server, or one whose etcd is too old for it ("RequestWatchProgress is disabled",
// which it calls an internal error).
bool RefusesWatchList(const Status& error) {
  return absl::IsInvalidArgument(error) || absl::IsUnimplemented(error) || absl::IsInternal(error);
}

}  // namespace

Reflector::Reflector(ApiClient& client, const Resource& resource, Selector selector, Sink& sink)
    : client_(client), resource_(resource), selector_(std::move(selector)), sink_(sink) {}

void Reflector::Run(const Cancellation& cancel) {
  Backoff backoff(kRetry);
  while (!cancel.cancelled()) {
    const absl::Time started = absl::Now();
    const Status result = Step(cancel);
    if (cancel.cancelled()) return;
    if (IsGone(result)) resource_version_.clear();
    if (!result.ok() && !IsGone(result)) sink_.Failed(result);
    if (absl::Now() - started >= kHealthyWatch) backoff.Reset();
    if (result.ok() && absl::Now() - started >= absl::Seconds(1)) continue;
    cancel.WaitFor(std::max(backoff.Next(), RetryAfter(result).value_or(absl::ZeroDuration())));
  }
}

Status Reflector::Step(const Cancellation& cancel) {
  if (!resource_version_.empty()) return Watch(cancel);
  Status result = WatchList(cancel);
  if (!RefusesWatchList(result)) return result;
  BERTH_RETURN_IF_ERROR(List());
  return Watch(cancel);
}

Status Reflector::WatchList(const Cancellation& cancel) {
  WatchRequest request;
  request.resource = resource_;
  request.selector = selector_;
  request.send_initial_events = true;
  bool listing = true;
  sink_.ReplaceBegan();
  return client_.Watch(
      request, [&](const WatchEvent& event) { return OnEvent(event, listing); }, cancel);
}

Status Reflector::List() {
  sink_.ReplaceBegan();
  BERTH_ASSIGN_OR_RETURN(resource_version_,
                         client_.ForEachRaw(resource_, selector_, [this](std::string_view raw) {
                           return sink_.Store(raw).status();
                         }));
  sink_.ReplaceEnded(resource_version_);
  return absl::OkStatus();
}

Status Reflector::Watch(const Cancellation& cancel) {
  WatchRequest request;
  request.resource = resource_;
  request.selector = selector_;
  request.resource_version = resource_version_;
  bool listing = false;
  return client_.Watch(
      request, [&](const WatchEvent& event) { return OnEvent(event, listing); }, cancel);
}

Status Reflector::OnEvent(const WatchEvent& event, bool& listing) {
  std::string version;
  switch (event.type) {
    case WatchEvent::Type::kAdded:
    case WatchEvent::Type::kModified: {
      BERTH_ASSIGN_OR_RETURN(version, sink_.Store(event.raw));
      break;
    }
    case WatchEvent::Type::kDeleted: {
      BERTH_ASSIGN_OR_RETURN(version, sink_.Remove(event.raw));
      break;
    }
    case WatchEvent::Type::kBookmark: {
      BERTH_ASSIGN_OR_RETURN(const meta::ObjectMeta metadata,
                             MetadataOf(resource_.encoding, event.raw));
      version = metadata.resourceversion();
      if (listing && metadata.annotations().contains(kInitialEventsEnd)) {
        listing = false;
        sink_.ReplaceEnded(version);
      } else if (!listing) {
        sink_.Reached(version);
      }
      break;
    }
    case WatchEvent::Type::kError:
      return absl::InternalError("watch: an error event was not turned into an error");
  }
  // While the initial events come, their versions are in no order to resume from.
  if (!listing) resource_version_ = std::move(version);
  return absl::OkStatus();
}

}  // namespace berth::kube
