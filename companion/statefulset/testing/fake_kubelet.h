#pragma once

#include <set>
#include <string>

#include "base/status.h"
#include "base/synchronized.h"
#include "base/worker_pool.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/informer.h"

namespace berth::statefulset {

// What a scheduler and kubelets would do to pods, as far as their objects show it: each pod becomes
// Running and Ready at once, several at a time, unless it is held back or gated. A real API server
// removes unscheduled pods by itself when they are deleted.
class FakeKubelet {
 public:
  // For the pods of `ns`; empty: for all. `api` outlives it.
  FakeKubelet(kube::ApiClient& api, const std::string& ns);
  ~FakeKubelet() { pods_.Stop(); }

  // The pods of that name stay Pending until Release, in all of their lives.
  void Hold(const std::string& pod);
  void Release(const std::string& pod);
  // The pod's phase becomes Failed, as when its node evicts it.
  Status Fail(const kube::ObjectKey& pod);

 private:
  void Run(const kube::core::Pod& pod);
  Status SetStatus(const kube::ObjectKey& pod, const std::string& phase, bool ready);

  kube::ApiClient& api_;
  Synchronized<std::set<std::string>> held_;
  WorkerPool calls_;
  kube::Informer<kube::core::Pod> pods_;
};

}  // namespace berth::statefulset
