#include "provisioner/provisioner.h"

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "kube/backoff.h"
#include "kube/cancellation.h"
#include "provisioner/attachments.h"
#include "provisioner/claims.h"
#include "provisioner/environment.h"
#include "provisioner/volumes.h"

namespace berth::provisioner {
namespace {

void Warn(std::string_view what, const Status& error) {
  LogLine(what)
      .Field("code", absl::StatusCodeToString(error.code()))
      .Field("error", std::string(error.message()))
      .Write(spdlog::level::warn);
}

// "<time>-<random number>-<driver>", as external-provisioner calls itself in volume attributes.
std::string Identity(const std::string& driver, const Clock& clock) {
  return fmt::format("{}-{}-{}", absl::ToUnixMillis(clock.Now()), std::random_device()() % 10000,
                     driver);
}

kube::LeaderElector::Options Complete(kube::LeaderElector::Options lease, const Options& options,
                                      const std::string& driver) {
  if (lease.name.empty()) lease.name = absl::StrReplaceAll(driver, {{"/", "-"}});
  if (lease.identity.empty()) lease.identity = options.instance;
  return lease;
}

}  // namespace

// The loops and the thread that brings them up.
class Provisioner::Loops {
 public:
  Loops(kube::ApiClient& api, const Clock& clock, const std::shared_ptr<grpc::Channel>& channel,
        Options options)
      : api_(api),
        clock_(clock),
        options_(std::move(options)),
        driver_(channel, options_.csi_call_timeout),
        events_(api, clock,
                {.component = options_.component,
                 .instance = options_.instance,
                 .on_error = [](const Status& error) { Warn("event not written", error); }}),
        caches_(api, [](const Status& error) { Warn("watch interrupted", error); }) {}

  Status Check() const {
    for (const int workers : {options_.claim_workers, options_.volume_workers,
                              options_.attach_workers, options_.detach_workers}) {
      if (workers < 1) return absl::InvalidArgumentError("each loop needs at least one worker");
    }
    if (options_.instance.empty()) return absl::InvalidArgumentError("instance must not be empty");
    if (!options_.lease) return absl::OkStatus();
    return kube::LeaderElector::Check(Complete(*options_.lease, options_, "driver"));
  }

  void Start() {
    thread_ = std::thread([this] { BringUp(); });
  }

  void Stop() {
    cancel_.Cancel();
    driver_.CancelCalls();
    if (thread_.joinable()) thread_.join();
    if (elector_) {
      elector_->Stop();
    } else {
      StopLoops();
    }
    caches_.Stop();
  }

  bool leading() const { return leading_; }
  size_t backlog() {
    return ready_ ? claims_->backlog() + volumes_->backlog() + attachments_->backlog() : 0;
  }

 private:
  void BringUp() {
    if (!LearnDriver()) return;
    const Environment environment{api_, driver_, caches_, events_, clock_};
    claims_.emplace(environment, Identity(driver_.name(), clock_), options_.claim_workers);
    volumes_.emplace(environment, options_.volume_workers);
    attachments_.emplace(environment, options_.attach_workers, options_.detach_workers);
    ready_ = true;
    caches_.Start();
    if (!Sync()) return;
    if (!options_.lease) {
      StartLoops();
      return;
    }
    elector_.emplace(
        api_, clock_, Complete(*options_.lease, options_, driver_.name()),
        kube::LeaderElector::Callbacks{
            .on_started_leading = [this] { StartLoops(); },
            .on_stopped_leading = [this] { StopLoops(); },
            .on_error = [](const Status& error) { Warn("lease not renewed", error); }});
    elector_->Start();
  }

  bool LearnDriver() {
    kube::Backoff backoff({absl::Milliseconds(200), absl::Seconds(10), 0.2});
    while (!cancel_.cancelled()) {
      const Status learned = driver_.Learn();
      if (learned.ok()) return true;
      Warn("CSI driver does not answer", learned);
      cancel_.WaitFor(backoff.Next());
    }
    return false;
  }

  bool Sync() {
    while (!cancel_.cancelled()) {
      if (caches_.WaitForSync(clock_.Now() + absl::Milliseconds(500)).ok()) return true;
    }
    return false;
  }

  void StartLoops() {
    driver_.Resume();
    claims_->Start();
    volumes_->Start();
    attachments_->Start();
    leading_ = true;
    LogLine("provisioning loops started")
        .Field("driver", driver_.name())
        .Write(spdlog::level::info);
  }

  void StopLoops() {
    if (!leading_) return;
    leading_ = false;
    // Calls that are cancelled have an unknown outcome: whoever leads next repeats them.
    driver_.CancelCalls();
    claims_->Stop();
    volumes_->Stop();
    attachments_->Stop();
    LogLine("provisioning loops stopped")
        .Field("driver", driver_.name())
        .Write(spdlog::level::info);
  }

  kube::ApiClient& api_;
  const Clock& clock_;
  const Options options_;
  CsiDriver driver_;
  kube::EventRecorder events_;
  // The loops outlive the caches, whose threads call into them.
  std::optional<Claims> claims_;
  std::optional<Volumes> volumes_;
  std::optional<Attachments> attachments_;
  Caches caches_;
  std::optional<kube::LeaderElector> elector_;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> leading_ = false;
  kube::Cancellation cancel_;
  std::thread thread_;
};

Provisioner::Provisioner(kube::ApiClient& api, const Clock& clock,
                         const std::shared_ptr<grpc::Channel>& driver, Options options)
    : loops_(std::make_unique<Loops>(api, clock, driver, std::move(options))) {}

Provisioner::~Provisioner() { Stop(); }

Status Provisioner::Start() {
  BERTH_RETURN_IF_ERROR(loops_->Check());
  loops_->Start();
  return absl::OkStatus();
}

void Provisioner::Stop() { loops_->Stop(); }

bool Provisioner::leading() const { return loops_->leading(); }

size_t Provisioner::backlog() const { return loops_->backlog(); }

}  // namespace berth::provisioner
