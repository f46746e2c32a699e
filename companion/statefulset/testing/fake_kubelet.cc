#include "companion/statefulset/testing/fake_kubelet.h"

#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "kube/time.h"

namespace berth::statefulset {
namespace {

constexpr size_t kCallsSideBySide = 8;
constexpr size_t kQueuedCalls = 10'000;

}  // namespace

FakeKubelet::FakeKubelet(kube::ApiClient& api, const std::string& ns)
    : api_(api), calls_(kCallsSideBySide, kQueuedCalls), pods_(api, {.selector = {.ns = ns}}) {
  pods_.AddHandler([this](const auto& change) {
    if (change.after != nullptr) Run(*change.after);
  });
  pods_.Start();
}

void FakeKubelet::Hold(const std::string& pod) { held_.Lock()->insert(pod); }

void FakeKubelet::Release(const std::string& pod) {
  held_.Lock()->erase(pod);
  for (const auto& known : pods_.List()) {
    if (known->metadata().name() == pod) Run(*known);
  }
}

Status FakeKubelet::Fail(const kube::ObjectKey& pod) { return SetStatus(pod, "Failed", false); }

void FakeKubelet::Run(const kube::core::Pod& pod) {
  if (pod.status().phase() != "Pending" || pod.metadata().has_deletiontimestamp() ||
      pod.spec().schedulinggates_size() > 0 || held_.Lock()->contains(pod.metadata().name())) {
    return;
  }
  const auto run = [this, key = kube::KeyOf(pod)] {
    // A pod that went meanwhile needs nothing.
    SetStatus(key, "Running", true).IgnoreError();
  };
  if (!calls_.Submit(run).ok()) run();
}

Status FakeKubelet::SetStatus(const kube::ObjectKey& pod, const std::string& phase, bool ready) {
  const nlohmann::json status = {{"status",
                                  {{"phase", phase},
                                   {"podIP", "10.0.0.1"},
                                   {"podIPs", {{{"ip", "10.0.0.1"}}}},
                                   {"conditions",
                                    {{{"type", "Ready"},
                                      {"status", ready ? "True" : "False"},
                                      {"lastTransitionTime", kube::ToJsonTime(absl::Now())}}}}}}};
  return api_.Patch<kube::core::Pod>(pod, kube::PatchType::kMerge, status.dump(), "status")
      .status();
}

}  // namespace berth::statefulset
