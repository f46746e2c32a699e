#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "kube/client.h"
#include "kube/core_v1.h"

namespace berth::kube {

enum class EventType { kNormal, kWarning };

// The reference to `object` that an event carries.
template <typename T>
core::ObjectReference ReferenceTo(const T& object) {
  core::ObjectReference reference;
  reference.set_apiversion(ResourceOf<T>::kResource.ApiVersion());
  reference.set_kind(std::string(ResourceOf<T>::kResource.kind));
  reference.set_namespace_(object.metadata().namespace_());
  reference.set_name(object.metadata().name());
  reference.set_uid(object.metadata().uid());
  reference.set_resourceversion(object.metadata().resourceversion());
  return reference;
}

// Writes core/v1 Events from a thread of its own. The same type, reason and message about the same
// object within an hour is one Event whose count and lastTimestamp go up. Events are for people and
// best effort: what does not fit into the queue, or fails more than three times, is dropped, and so
// is, in silence, what one object has more of than people read: 25 of each type at once and one in
// five minutes, the figures of Kubernetes' own controllers.
class EventRecorder {
 public:
  struct Options {
    std::string component;  // "berth-controller": the event's source
    std::string instance;   // the replica, for example the pod's name
    size_t max_queued = 1000;
    size_t max_remembered = 4096;                      // events that a repeat is counted on
    std::function<void(const Status&)> on_error = {};  // an event was dropped
  };
  // `client` and `clock` outlive the recorder.
  EventRecorder(ApiClient& client, const Clock& clock, Options options);
  // Gives what is queued one second to be written.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // Never blocks on the API. `reason` is one word in CamelCase, `message` is cut at 1024 bytes.
  // Thread-safe.
  void Record(const core::ObjectReference& object, EventType type, std::string_view reason,
              std::string_view message);

 private:
  struct Occurrence {
    core::ObjectReference object;
    EventType type;
    std::string reason;
    std::string message;
    absl::Time at;
    int32_t count = 1;
    // The same for occurrences that are one Event.
    uint64_t Fingerprint() const;
  };
  // The calls that an object may still cost for one type of events, and when that was counted.
  struct Allowance {
    double calls;
    absl::Time at;
  };
  struct Queue {
    std::deque<Occurrence> waiting;
    std::map<uint64_t, Allowance> allowances;  // by object and type
    bool ending = false;
  };
  struct Remembered {
    ObjectKey key;
    int32_t count;
    absl::Time last;
    std::list<uint64_t>::iterator age;
  };

  void Run();
  bool TakeAllowance(Queue& queue, const Occurrence& occurrence) const;
  Status Write(const Occurrence& occurrence);
  StatusOr<core::Event> CreateEvent(const Occurrence& occurrence);
  void Remember(uint64_t fingerprint, const core::Event& event, absl::Time at);

  ApiClient& client_;
  const Clock& clock_;
  const Options options_;
  Synchronized<Queue> queue_;
  // Of the writing thread alone; the oldest fingerprint is first.
  std::map<uint64_t, Remembered> remembered_;
  std::list<uint64_t> ages_;
  Cancellation give_up_;
  std::thread thread_;
};

}  // namespace berth::kube
