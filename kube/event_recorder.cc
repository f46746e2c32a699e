#include "kube/event_recorder.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/backoff.h"
#include "kube/time.h"

namespace berth::kube {
namespace {

constexpr size_t kMaxMessageBytes = 1024;  // the API server refuses longer ones
constexpr int kTries = 3;
constexpr absl::Duration kCountedFor = absl::Hours(1);
constexpr double kCallsAtOnce = 25;  // of one object and type
constexpr absl::Duration kCallEvery = absl::Minutes(5);
constexpr absl::Duration kWriteTimeout = absl::Seconds(5);

// The longest prefix within the limit that does not cut a UTF-8 sequence.
std::string_view Shorten(std::string_view text) {
  if (text.size() <= kMaxMessageBytes) return text;
  size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string_view NameOf(EventType type) {
  switch (type) {
    case EventType::kNormal:
      return "Normal";
    case EventType::kWarning:
      return "Warning";
  }
  return "";
}

}  // namespace

uint64_t EventRecorder::Occurrence::Fingerprint() const {
  return std::hash<std::string>()(
      fmt::format("{}\n{}\n{}\n{}", object.uid(), NameOf(type), reason, message));
}

EventRecorder::EventRecorder(ApiClient& client, const Clock& clock, Options options)
    : client_(client), clock_(clock), options_(std::move(options)), thread_([this] { Run(); }) {}

EventRecorder::~EventRecorder() {
  {
    auto queue = queue_.Lock();
    queue->ending = true;
    queue.NotifyAll();
    queue.WaitUntil(absl::Now() + absl::Seconds(1), [&] { return queue->waiting.empty(); });
    queue->waiting.clear();
  }
  give_up_.Cancel();
  thread_.join();
}

void EventRecorder::Record(const core::ObjectReference& object, EventType type,
                           std::string_view reason, std::string_view message) {
  Occurrence occurrence{object, type, std::string(reason), std::string(Shorten(message)),
                        clock_.Now()};
  bool dropped = false;
  {
    auto queue = queue_.Lock();
    if (!queue->waiting.empty() &&
        queue->waiting.back().Fingerprint() == occurrence.Fingerprint()) {
      ++queue->waiting.back().count;
      queue->waiting.back().at = occurrence.at;
      return;
    }
    if (!TakeAllowance(*queue, occurrence)) return;
    dropped = queue->ending || queue->waiting.size() >= options_.max_queued;
    if (!dropped) queue->waiting.push_back(std::move(occurrence));
    queue.NotifyAll();
  }
  if (dropped && options_.on_error) {
    options_.on_error(absl::ResourceExhaustedError(
        fmt::format("event {} on {} dropped: the queue is full", reason, object.name())));
  }
}

// What is forgotten starts with a full allowance again.
bool EventRecorder::TakeAllowance(Queue& queue, const Occurrence& occurrence) const {
  if (queue.allowances.size() >= options_.max_remembered) queue.allowances.clear();
  const uint64_t owner = std::hash<std::string>()(
      fmt::format("{}\n{}", occurrence.object.uid(), NameOf(occurrence.type)));
  Allowance& allowance =
      queue.allowances.try_emplace(owner, Allowance{kCallsAtOnce, occurrence.at}).first->second;
  const double earned = absl::FDivDuration(occurrence.at - allowance.at, kCallEvery);
  allowance = {std::min(kCallsAtOnce, allowance.calls + earned), occurrence.at};
  if (allowance.calls < 1) return false;
  allowance.calls -= 1;
  return true;
}

void EventRecorder::Run() {
  while (true) {
    Occurrence occurrence;
    {
      auto queue = queue_.Lock();
      queue.WaitUntil(absl::InfiniteFuture(),
                      [&] { return queue->ending || !queue->waiting.empty(); });
      if (queue->waiting.empty()) return;
      occurrence = std::move(queue->waiting.front());
      queue->waiting.pop_front();
      queue.NotifyAll();
    }
    Backoff backoff({absl::Milliseconds(200), absl::Seconds(2), 0.5});
    Status written;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      written = Write(occurrence);
      if (written.ok() || !OutcomeIsUnknown(written.code())) break;
      if (give_up_.WaitFor(backoff.Next())) break;
    }
    // NOT_FOUND: the namespace has gone, and with it whoever would read the event.
    if (!written.ok() && !absl::IsNotFound(written) && options_.on_error) {
      options_.on_error(written);
    }
  }
}

Status EventRecorder::Write(const Occurrence& occurrence) {
  const uint64_t fingerprint = occurrence.Fingerprint();
  const auto known = remembered_.find(fingerprint);
  if (known != remembered_.end() && occurrence.at - known->second.last < kCountedFor) {
    const nlohmann::json patch = {{"count", known->second.count + occurrence.count},
                                  {"lastTimestamp", ToJsonTime(occurrence.at)}};
    const StatusOr<core::Event> patched = client_.Patch<core::Event>(
        known->second.key, PatchType::kMerge, patch.dump(), "", kWriteTimeout);
    if (patched.ok()) Remember(fingerprint, *patched, occurrence.at);
    if (!absl::IsNotFound(patched.status())) return patched.status();
  }
  BERTH_ASSIGN_OR_RETURN(const core::Event created, CreateEvent(occurrence));
  Remember(fingerprint, created, occurrence.at);
  return absl::OkStatus();
}

StatusOr<core::Event> EventRecorder::CreateEvent(const Occurrence& occurrence) {
  core::Event event;
  const std::string& ns = occurrence.object.namespace_();
  event.mutable_metadata()->set_namespace_(ns.empty() ? "default" : ns);
  event.mutable_metadata()->set_name(
      fmt::format("{}.{:x}", occurrence.object.name(), absl::ToUnixNanos(occurrence.at)));
  *event.mutable_involvedobject() = occurrence.object;
  event.set_reason(occurrence.reason);
  event.set_message(occurrence.message);
  event.set_type(std::string(NameOf(occurrence.type)));
  event.set_count(occurrence.count);
  *event.mutable_firsttimestamp() = ToTime(occurrence.at);
  *event.mutable_lasttimestamp() = ToTime(occurrence.at);
  event.mutable_source()->set_component(options_.component);
  event.set_reportingcomponent(options_.component);
  event.set_reportinginstance(options_.instance);
  return client_.Create(event, kWriteTimeout);
}

void EventRecorder::Remember(uint64_t fingerprint, const core::Event& event, absl::Time at) {
  if (const auto old = remembered_.find(fingerprint); old != remembered_.end()) {
    ages_.erase(old->second.age);
    remembered_.erase(old);
  }
  while (remembered_.size() >= options_.max_remembered) {
    remembered_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(fingerprint);
  remembered_.emplace(fingerprint,
                      Remembered{KeyOf(event), event.count(), at, std::prev(ages_.end())});
}

}  // namespace berth::kube
