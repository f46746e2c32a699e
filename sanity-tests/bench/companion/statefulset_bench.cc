// statefulset-bench: creates StatefulSets of apps/v1 and waits until whoever keeps them has made
// all of their pods and said so in their status; runs the pods itself, as a fake kubelet. Prints
// one line of JSON: the seconds from before the first creation until every pod was Ready, and until
// every status said so.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/flags.h"
#include "base/log.h"
#include "companion/statefulset/stateful_set.h"
#include "companion/statefulset/testing/fake_kubelet.h"
#include "kube/config.h"
#include "kube/core_v1.h"
#include "kube/informer.h"
#include "kube/json_fields.h"

namespace berth {
namespace {

using nlohmann::json;

struct Options {
  std::string kubeconfig;
  std::string ns = "default";
  std::string policy = "OrderedReady";
  int sets = 1;
  int replicas = 50;
  int timeout_s = 300;
};

json Set(const Options& options, const std::string& name) {
  const json labels = {{"app", name}};
  const json container = {
      {"name", "nginx"},
      {"image", "nginx:1"},
      {"ports", {{{"name", "web"}, {"containerPort", 80}}}},
      {"volumeMounts", {{{"name", "www"}, {"mountPath", "/usr/share/nginx/html"}}}}};
  return {{"metadata", {{"name", name}, {"namespace", options.ns}}},
          {"spec",
           {{"replicas", options.replicas},
            {"serviceName", name},
            {"podManagementPolicy", options.policy},
            {"selector", {{"matchLabels", labels}}},
            {"template",
             {{"metadata", {{"labels", labels}}},
              {"spec", {{"terminationGracePeriodSeconds", 10}, {"containers", {container}}}}}},
            {"volumeClaimTemplates",
             {{{"metadata", {{"name", "www"}}},
               {"spec",
                {{"accessModes", {"ReadWriteOnce"}},
                 {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}}}}}}};
}

bool IsReady(const kube::core::Pod& pod) {
  for (const kube::core::PodCondition& condition : pod.status().conditions()) {
    if (condition.type() == "Ready") return condition.status() == "True";
  }
  return false;
}

// Follows the pods and the sets, and notes when each kind is as it shall be.
class Progress {
 public:
  Progress(kube::ApiClient& api, const Options& options)
      : options_(options),
        pods_(api, {.selector = {.ns = options.ns}}),
        sets_(api, statefulset::kAppsStatefulSets, {.selector = {.ns = options.ns}}) {
    pods_.AddHandler([this](const auto& change) {
      if (change.after == nullptr || !IsReady(*change.after)) return;
      auto seen = seen_.Lock();
      seen->ready_pods.insert(change.key().String());
      if (seen->ready_pods.size() != static_cast<size_t>(options_.sets * options_.replicas)) return;
      seen->pods_ready = std::min(seen->pods_ready, absl::Now());
      seen.NotifyAll();
    });
    sets_.AddHandler([this](const auto& change) {
      if (change.after == nullptr || !SaysReady(*change.after)) return;
      auto seen = seen_.Lock();
      seen->complete_sets.insert(change.key().String());
      if (seen->complete_sets.size() != static_cast<size_t>(options_.sets)) return;
      seen->status_ready = std::min(seen->status_ready, absl::Now());
      seen.NotifyAll();
    });
    pods_.Start();
    sets_.Start();
  }
  ~Progress() {
    pods_.Stop();
    sets_.Stop();
  }

  Status WaitForSync() {
    const absl::Time deadline = absl::Now() + absl::Seconds(options_.timeout_s);
    BERTH_RETURN_IF_ERROR(pods_.WaitForSync(deadline));
    return sets_.WaitForSync(deadline);
  }

  // The seconds since `start` of both.
  StatusOr<json> Await(absl::Time start) {
    auto seen = seen_.Lock();
    const bool complete = seen.WaitUntil(start + absl::Seconds(options_.timeout_s), [&] {
      return seen->pods_ready != absl::InfiniteFuture() &&
             seen->status_ready != absl::InfiniteFuture();
    });
    if (!complete) {
      return absl::DeadlineExceededError(fmt::format(
          "{} of {} pods are Ready, and {} of {} sets say so", seen->ready_pods.size(),
          options_.sets * options_.replicas, seen->complete_sets.size(), options_.sets));
    }
    return json{{"pods_ready_s", absl::ToDoubleSeconds(seen->pods_ready - start)},
                {"status_ready_s", absl::ToDoubleSeconds(seen->status_ready - start)}};
  }

 private:
  struct Seen {
    std::set<std::string> ready_pods;
    std::set<std::string> complete_sets;
    absl::Time pods_ready = absl::InfiniteFuture();
    absl::Time status_ready = absl::InfiniteFuture();
  };

  bool SaysReady(const kube::JsonObject& set) const {
    return kube::NumberIn(kube::Member(set.body(), "status"), "readyReplicas").value_or(0) ==
           options_.replicas;
  }

  const Options options_;
  Synchronized<Seen> seen_;
  kube::Informer<kube::core::Pod> pods_;
  kube::Informer<kube::JsonObject> sets_;
};

StatusOr<json> Measure(const Options& options) {
  BERTH_ASSIGN_OR_RETURN(kube::Config config, kube::LoadKubeconfig(options.kubeconfig, "",
                                                                   std::make_shared<RealClock>()));
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<kube::ApiClient> api,
                         kube::Connect(std::move(config)));
  const statefulset::FakeKubelet kubelet(*api, options.ns);
  Progress progress(*api, options);
  BERTH_RETURN_IF_ERROR(progress.WaitForSync());
  const absl::Time start = absl::Now();
  for (int i = 0; i < options.sets; ++i) {
    const json set = Set(options, fmt::format("bench-{}", i));
    BERTH_RETURN_IF_ERROR(api->CreateJson(statefulset::kAppsStatefulSets, set).status());
  }
  return progress.Await(start);
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("statefulset-bench", "Times StatefulSets from their creation to Ready.",
                     BERTH_VERSION);
  berth::Options options;
  flags.AddKubeconfig(options.kubeconfig);
  flags.app().add_option("--namespace", options.ns, "where the sets are made");
  flags.app()
      .add_option("--policy", options.policy, "podManagementPolicy of the sets")
      ->check(CLI::IsMember({"OrderedReady", "Parallel"}));
  flags.app().add_option("--sets", options.sets, "how many")->check(CLI::Range(1, 1000));
  flags.app().add_option("--replicas", options.replicas, "of each")->check(CLI::Range(1, 10'000));
  flags.app().add_option("--timeout-s", options.timeout_s, "after which it fails");
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  const auto measured = berth::Measure(options);
  if (measured.ok()) {
    std::puts(measured->dump().c_str());
    return 0;
  }
  berth::LogLine(std::string(measured.status().message())).Write(spdlog::level::err);
  return 1;
}
