#include "companion/statefulset/testing/fake_kubelet.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/clock.h"
#include "kube/time.h"

namespace berth::statefulset {

FakeKubelet::FakeKubelet(kube::ApiClient& api, std::string ns)
    : api_(api), ns_(std::move(ns)), pods_(api, {.selector = {.ns = ns_}}) {
  pods_.AddHandler([this](const auto& change) {
    if (change.after != nullptr) Run(*change.after);
  });
  pods_.Start();
}

void FakeKubelet::Hold(const std::string& pod) { held_.Lock()->insert(pod); }

void FakeKubelet::Release(const std::string& pod) {
  held_.Lock()->erase(pod);
  if (const auto known = pods_.Get({ns_, pod}); known != nullptr) Run(*known);
}

Status FakeKubelet::Fail(const std::string& pod) { return SetStatus(pod, "Failed", false); }

Status FakeKubelet::MakeUnready(const std::string& pod) { return SetStatus(pod, "Running", false); }

void FakeKubelet::Run(const kube::core::Pod& pod) {
  if (pod.status().phase() != "Pending" || pod.metadata().has_deletiontimestamp() ||
      pod.spec().schedulinggates_size() > 0 || held_.Lock()->contains(pod.metadata().name())) {
    return;
  }
  // A pod that went meanwhile needs nothing.
  SetStatus(pod.metadata().name(), "Running", true).IgnoreError();
}

Status FakeKubelet::SetStatus(const std::string& pod, const std::string& phase, bool ready) {
  const nlohmann::json status = {{"status",
                                  {{"phase", phase},
                                   {"podIP", "10.0.0.1"},
                                   {"podIPs", {{{"ip", "10.0.0.1"}}}},
                                   {"conditions",
                                    {{{"type", "Ready"},
                                      {"status", ready ? "True" : "False"},
                                      {"lastTransitionTime", kube::ToJsonTime(absl::Now())}}}}}}};
  return api_.Patch<kube::core::Pod>({ns_, pod}, kube::PatchType::kMerge, status.dump(), "status")
      .status();
}

}  // namespace berth::statefulset
