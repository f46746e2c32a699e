#include "companion/statefulset/ordering.h"

#include <prometheus/metric_family.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/synchronized.h"
#include "base/worker_pool.h"
#include "companion/statefulset/environment.h"
#include "companion/statefulset/set_loop.h"
#include "companion/statefulset/takeover.h"
#include "kube/backoff.h"
#include "kube/cancellation.h"

namespace berth::statefulset {
namespace {

constexpr char kComponent[] = "berth-companion";
// Each has a connection of its own, whose handshake costs the API server more than a call.
constexpr size_t kCallsSideBySide = 8;
constexpr size_t kQueuedCalls = 1000;

void Warn(std::string_view what, const Status& error) {
  LogLine(what)
      .Field("code", absl::StatusCodeToString(error.code()))
      .Field("error", std::string(error.message()))
      .Write(spdlog::level::warn);
}

void OnBerthSetsError(const Status& error) {
  if (!absl::IsNotFound(error)) return Warn("watch of StatefulSets interrupted", error);
  LogLine(
      "the API server does not know StatefulSets of berth.storage/v1: kubectl apply --server-side "
      "-k deploy/kubernetes/companion/statefulset")
      .Write(spdlog::level::warn);
}

prometheus::MetricFamily Gauge(const char* name, const char* help, double value) {
  prometheus::MetricFamily family{name, help, prometheus::MetricType::Gauge, {{}}};
  family.metric.front().gauge.value = value;
  return family;
}

}  // namespace

// The loops, and the threads that start and stop them.
class Ordering::Loops : public prometheus::Collectable {
 public:
  Loops(kube::ApiClient& api, const Clock& clock, Options options)
      : api_(api),
        clock_(clock),
        options_(std::move(options)),
        calls_(kCallsSideBySide, kQueuedCalls),
        events_(api, clock,
                {.component = kComponent,
                 .instance = options_.lease.identity,
                 .on_error = [](const Status& error) { Warn("event not written", error); }}),
        caches_(api, [](const Status& error) { Warn("watch interrupted", error); }),
        environment_{api, caches_, events_, calls_, clock},
        berth_sets_(environment_, {.resource = kBerthStatefulSets,
                                   .workers = options_.workers,
                                   .name_is_served = options_.name_is_served,
                                   .on_error = OnBerthSetsError}),
        apps_sets_(
            environment_,
            {.resource = kAppsStatefulSets,
             .mode = options_.take_over_apps_v1 ? SetLoop::Mode::kOwn : SetLoop::Mode::kBeside,
             .workers = options_.workers,
             .name_is_served = options_.name_is_served,
             .ignore = Takeover::IsCanary,
             .on_arrival = [this](const kube::JsonObject& set) { LookForForeigner(set); },
             .on_error =
                 [](const Status& error) { Warn("watch of StatefulSets interrupted", error); }}),
        elector_(api, clock, options_.lease,
                 {.on_started_leading = [this] { StartLoops(); },
                  .on_stopped_leading = [this] { StopLoops(); },
                  .on_error = [](const Status& error) { Warn("lease not renewed", error); }}) {}

  Status Start() {
    BERTH_RETURN_IF_ERROR(kube::LeaderElector::Check(options_.lease));
    thread_ = std::thread([this] { BringUp(); });
    return absl::OkStatus();
  }

  void Stop() {
    cancel_.Cancel();
    if (!thread_.joinable()) return;
    thread_.join();
    elector_.Stop();
    berth_sets_.StopCache();
    apps_sets_.StopCache();
    caches_.Stop();
  }

  Status Ready() const {
    if (synced_) return absl::OkStatus();
    return absl::UnavailableError("pods, claims or revisions are not listed yet");
  }
  bool leading() const { return leading_; }
  bool owns_apps_v1() const { return owns_apps_v1_; }

  std::vector<prometheus::MetricFamily> Collect() const override {
    return {Gauge("berth_statefulset_leading", "1 while this replica works", leading_ ? 1 : 0),
            Gauge("berth_statefulset_owns_apps_v1", "1 while sets of apps/v1 are taken over",
                  owns_apps_v1_ ? 1 : 0),
            Gauge("berth_statefulset_backlog", "sets that wait for work or are in work",
                  static_cast<double>(berth_sets_.backlog() + apps_sets_.backlog()))};
  }

 private:
  void BringUp() {
    caches_.Start();
    berth_sets_.StartCache();
    apps_sets_.StartCache();
    while (!caches_.WaitForSync(absl::Now() + absl::Milliseconds(500)).ok()) {
      if (cancel_.cancelled()) return;
    }
    synced_ = true;
    LogLine("pods, claims and revisions are known: ready").Write(spdlog::level::info);
    elector_.Start();
  }

  void StartLoops() {
    berth_sets_.Start();
    apps_thread_ = std::thread([this] { KeepAppsSets(); });
    leading_ = true;
    LogLine("leading").Field("instance", options_.lease.identity).Write(spdlog::level::info);
  }

  void StopLoops() {
    if (!leading_) return;
    leading_ = false;
    {
      auto rivalry = rivalry_.Lock();
      rivalry->stop = true;
      rivalry.NotifyAll();
    }
    canary_cancel_->Cancel();
    apps_thread_.join();
    berth_sets_.Stop();
    rivalry_.Lock()->stop = false;
    canary_cancel_.emplace();
    LogLine("not leading any more").Write(spdlog::level::info);
  }

  void KeepAppsSets() {
    if (options_.take_over_apps_v1 && !TakeOver()) return;
    apps_sets_.Start();
    owns_apps_v1_ = options_.take_over_apps_v1;
    if (owns_apps_v1_)
      Tell(kube::EventType::kNormal, "TakenOver", "apps/v1 StatefulSets are kept by Berth");
    std::string foreigner;
    {
      auto rivalry = rivalry_.Lock();
      rivalry.WaitUntil(absl::InfiniteFuture(),
                        [&] { return rivalry->stop || !rivalry->foreigner.empty(); });
      foreigner = std::exchange(rivalry->foreigner, "");
      rivalry->since = absl::InfiniteFuture();
    }
    owns_apps_v1_ = false;
    apps_sets_.Stop();
    if (foreigner.empty()) return;
    Tell(kube::EventType::kWarning, "TakeoverGivenUp",
         foreigner +
             " writes the status of apps/v1 StatefulSets, too: Berth leaves them alone until "
             "berth-companion is started anew");
  }

  // True when apps/v1 is ours.
  bool TakeOver() {
    kube::Backoff backoff({absl::Seconds(1), absl::Seconds(30), 0.2});
    Takeover takeover(api_, {.ns = options_.lease.ns, .canary_time = options_.canary_time});
    while (true) {
      const Status checked = takeover.Check(*canary_cancel_);
      if (canary_cancel_->cancelled()) return false;
      if (checked.ok()) break;
      if (checked.code() == absl::StatusCode::kFailedPrecondition) {
        Tell(kube::EventType::kWarning, "TakeoverRefused", std::string(checked.message()));
        return false;
      }
      Warn("taking over apps/v1 StatefulSets: tried again", checked);
      if (canary_cancel_->WaitFor(backoff.Next())) return false;
    }
    rivalry_.Lock()->since = clock_.Now();
    return true;
  }

  void LookForForeigner(const kube::JsonObject& set) {
    auto rivalry = rivalry_.Lock();
    if (rivalry->since == absl::InfiniteFuture()) return;
    const std::string foreigner = Takeover::ForeignController(set, rivalry->since);
    if (foreigner.empty()) return;
    rivalry->foreigner = foreigner;
    rivalry.NotifyAll();
  }

  // To the log, and as an event of this pod.
  void Tell(kube::EventType type, std::string_view reason, const std::string& message) {
    LogLine(message).Write(type == kube::EventType::kWarning ? spdlog::level::err
                                                             : spdlog::level::info);
    kube::core::ObjectReference pod;
    pod.set_apiversion("v1");
    pod.set_kind("Pod");
    pod.set_namespace_(options_.lease.ns);
    pod.set_name(options_.lease.identity);
    events_.Record(pod, type, reason, message);
  }

  // Somebody else who keeps apps/v1 sets, from the moment `since` when they became ours.
  struct Rivalry {
    absl::Time since = absl::InfiniteFuture();
    std::string foreigner;
    bool stop = false;
  };

  kube::ApiClient& api_;
  const Clock& clock_;
  const Options options_;
  WorkerPool calls_;
  kube::EventRecorder events_;
  Synchronized<Rivalry> rivalry_;
  Caches caches_;
  const Environment environment_;
  // Their controllers are called by the caches' threads, which Stop ends first.
  mutable SetLoop berth_sets_;
  mutable SetLoop apps_sets_;
  kube::LeaderElector elector_;
  std::optional<kube::Cancellation> canary_cancel_{std::in_place};
  std::atomic<bool> synced_ = false;
  std::atomic<bool> leading_ = false;
  std::atomic<bool> owns_apps_v1_ = false;
  std::thread apps_thread_;
  kube::Cancellation cancel_;
  std::thread thread_;
};

Ordering::Ordering(kube::ApiClient& api, const Clock& clock, Options options)
    : loops_(std::make_shared<Loops>(api, clock, std::move(options))) {}

Ordering::~Ordering() { Stop(); }

Status Ordering::Start() { return loops_->Start(); }
void Ordering::Stop() { loops_->Stop(); }
Status Ordering::Ready() const { return loops_->Ready(); }
bool Ordering::leading() const { return loops_->leading(); }
bool Ordering::owns_apps_v1() const { return loops_->owns_apps_v1(); }
std::shared_ptr<prometheus::Collectable> Ordering::metrics() const { return loops_; }

}  // namespace berth::statefulset
