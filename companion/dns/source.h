#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "companion/dns/catalog.h"
#include "kube/client.h"
#include "kube/informer.h"

namespace berth::dns {

// Follows Services and EndpointSlices of the API server and keeps the catalog like them. While the
// server cannot be reached, what is known stays; the informers go on trying.
class Source {
 public:
  struct Options {
    // Each failed list or watch, and the first full view; called from the informers' threads.
    std::function<void(const Status&)> on_error = {};
    std::function<void()> on_sync = {};
  };
  // All outlive the source.
  Source(kube::ApiClient& api, Catalog& catalog, const Clock& clock, Options options);
  ~Source();

  void Start();
  void Stop();

  // True for ever from the moment when all Services and all EndpointSlices have been seen.
  const std::atomic<bool>& synced() const { return synced_; }
  // Since when lists and watches fail: what is known may be old. InfiniteFuture while all is well,
  // that is, when there was a change since the last failure, or no failure for a minute.
  absl::Time failing_since();
  // How many lists and watches failed.
  uint64_t errors();

 private:
  void WaitForSync();
  void ExpireLingering();
  void OnError(const Status& error);
  void OnNews();

  struct Errors {
    absl::Time first;  // of those without a minute between them
    absl::Time last = absl::InfinitePast();
    uint64_t count = 0;
  };
  struct State {
    bool ending = false;
    bool lingering = false;
  };
  const Clock& clock_;
  Catalog& catalog_;
  const Options options_;
  std::atomic<bool> synced_ = false;
  Synchronized<Errors> errors_;
  Synchronized<State> state_;
  kube::Informer<kube::core::Service> services_;
  kube::Informer<kube::discovery::EndpointSlice> slices_;
  std::thread sync_thread_;
  std::thread expiry_thread_;
};

// Cuts what no answer needs, so that 10,000 endpoints stay small.
void TrimService(kube::core::Service& service);
void TrimSlice(kube::discovery::EndpointSlice& slice);

}  // namespace berth::dns
