#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kube/cancellation.h"
#include "kube/client.h"
#include "kube/resource.h"

namespace berth::kube {

// Follows one resource of the API server for ever:
//
//   list (WatchList, or pages where the server does not serve it) ──► watch from its version
//        ▲                                                              │ ends or breaks: again
//        └────────────── 410 Gone: the version is too old ──────────────┘
//
// Failures are repeated after a delay that doubles from 200 ms to 30 s, with jitter, or after the
// time the server asked for. All calls into the sink come from the thread that runs it, in the
// server's order.
class Reflector {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // A full list begins: whatever is not stored before its end is gone.
    virtual void ReplaceBegan() = 0;
    virtual void ReplaceEnded(const std::string& resource_version) = 0;
    // An object as it is now, serialised; its resource version. DATA_LOSS when it does not parse.
    virtual StatusOr<std::string> Store(std::string_view raw) = 0;
    // An object that was deleted, in its last form.
    virtual StatusOr<std::string> Remove(std::string_view raw) = 0;
    // Everything up to this version was handed over; comes without a change.
    virtual void Reached(const std::string& resource_version) = 0;
    // A list or watch failed and will be tried again.
    virtual void Failed(const Status& error) = 0;
  };

  // `client` and `sink` outlive the reflector.
  Reflector(ApiClient& client, const Resource& resource, Selector selector, Sink& sink);

  // Blocks until `cancel`.
  void Run(const Cancellation& cancel);

 private:
  Status Step(const Cancellation& cancel);
  Status WatchList(const Cancellation& cancel);
  Status List();
  Status Watch(const Cancellation& cancel);
  Status OnEvent(const WatchEvent& event, bool& listing);

  ApiClient& client_;
  const Resource resource_;
  const Selector selector_;
  Sink& sink_;
  std::string resource_version_;  // empty: a list is due
};

}  // namespace berth::kube
