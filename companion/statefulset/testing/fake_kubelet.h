#pragma once

#include <set>
#include <string>

#include "base/status.h"
#include "base/synchronized.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/informer.h"

namespace berth::statefulset {

// What a scheduler and a kubelet would do to the pods of a namespace, as far as their objects show
// it: each pod becomes Running and Ready, unless it is held back or gated. A real API server
// removes unscheduled pods by itself when they are deleted.
class FakeKubelet {
 public:
  // `api` outlives it.
  FakeKubelet(kube::ApiClient& api, std::string ns);
  ~FakeKubelet() { pods_.Stop(); }

  // The pod stays Pending until Release, in all of its lives.
  void Hold(const std::string& pod);
  void Release(const std::string& pod);
  // The pod's phase becomes Failed, as when its node evicts it.
  Status Fail(const std::string& pod);
  // Ready becomes False, for good.
  Status MakeUnready(const std::string& pod);

 private:
  void Run(const kube::core::Pod& pod);
  Status SetStatus(const std::string& pod, const std::string& phase, bool ready);

  kube::ApiClient& api_;
  const std::string ns_;
  Synchronized<std::set<std::string>> held_;
  kube::Informer<kube::core::Pod> pods_;
};

}  // namespace berth::statefulset
