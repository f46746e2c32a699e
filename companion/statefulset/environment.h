#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/worker_pool.h"
#include "companion/statefulset/expectations.h"
#include "companion/statefulset/observed.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/apps_v1.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/event_recorder.h"
#include "kube/informer.h"

namespace berth::statefulset {

// Local copies of what sets are made of, in all namespaces, shared by both kinds of sets.
class Caches {
 public:
  // `client` outlives the caches. Told of each failed list or watch.
  Caches(kube::ApiClient& client, const std::function<void(const Status&)>& on_error);

  void Start();
  // OK once all are synced; else DEADLINE_EXCEEDED says which one is not, and why.
  Status WaitForSync(absl::Time deadline);
  void Stop();

  using Pod = std::shared_ptr<const kube::core::Pod>;
  using Revision = std::shared_ptr<const kube::apps::ControllerRevision>;
  std::vector<Pod> PodsOf(const std::string& controller_uid);
  std::vector<Pod> OrphanedPods(const std::string& ns);
  std::vector<Revision> RevisionsOf(const std::string& controller_uid);
  std::vector<Revision> OrphanedRevisions(const std::string& ns);
  ClaimsByName ClaimsOf(const std::string& ns);

  // Whether what we wrote is in the copies.
  bool Shows(const Write& write, const std::string& ns);

  kube::Informer<kube::core::Pod> pods;
  kube::Informer<kube::core::PersistentVolumeClaim> claims;
  kube::Informer<kube::apps::ControllerRevision> revisions;
};

// What the loops act on. All of it outlives them and is thread-safe.
struct Environment {
  kube::ApiClient& api;
  Caches& caches;
  kube::EventRecorder& events;
  WorkerPool& calls;  // that run side by side
  const Clock& clock;
};

}  // namespace berth::statefulset
