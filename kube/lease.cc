#include "kube/lease.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "kube/time.h"

namespace berth::kube {
namespace {

bool SameHolding(const coordination::Lease& a, const coordination::Lease& b) {
  return a.metadata().resourceversion() == b.metadata().resourceversion() &&
         a.metadata().uid() == b.metadata().uid();
}

}  // namespace

LeaseMove DecideLease(const ObservedLease& observed, const std::string& identity, absl::Time now) {
  const coordination::LeaseSpec& spec = observed.lease.spec();
  if (spec.holderidentity() == identity) return LeaseMove::kRenew;
  if (spec.holderidentity().empty()) return LeaseMove::kAcquire;
  const absl::Duration held_for = absl::Seconds(std::max(1, spec.leasedurationseconds()));
  return now - observed.since > held_for ? LeaseMove::kAcquire : LeaseMove::kWait;
}

coordination::Lease WriteLease(const coordination::Lease& seen, LeaseMove move,
                               const std::string& identity, absl::Duration duration,
                               absl::Time now) {
  coordination::Lease lease = seen;
  coordination::LeaseSpec& spec = *lease.mutable_spec();
  if (move == LeaseMove::kAcquire) {
    spec.set_leasetransitions(spec.leasetransitions() + 1);
    *spec.mutable_acquiretime() = ToMicroTime(now);
  }
  spec.set_holderidentity(identity);
  spec.set_leasedurationseconds(static_cast<int32_t>(absl::ToInt64Seconds(duration)));
  *spec.mutable_renewtime() = ToMicroTime(now);
  return lease;
}

Status LeaderElector::Check(const Options& options) {
  if (options.ns.empty() || options.name.empty() || options.identity.empty()) {
    return absl::InvalidArgumentError("leader election needs a namespace, a name and an identity");
  }
  if (options.lease_duration <= options.renew_deadline ||
      options.renew_deadline <= options.retry_period ||
      options.retry_period <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(fmt::format(
        "leader election needs lease duration > renew deadline > retry period > 0, not {}, {}, {}",
        absl::FormatDuration(options.lease_duration), absl::FormatDuration(options.renew_deadline),
        absl::FormatDuration(options.retry_period)));
  }
  return absl::OkStatus();
}

LeaderElector::LeaderElector(ApiClient& client, const Clock& clock, Options options,
                             Callbacks callbacks)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)) {}

void LeaderElector::Start() {
  thread_ = std::thread([this] { Run(); });
}

void LeaderElector::Stop() {
  cancel_.Cancel();
  if (thread_.joinable()) thread_.join();
}

void LeaderElector::Run() {
  bool leading = false;
  absl::Time renewed = absl::InfinitePast();
  do {
    const absl::Time started = clock_.Now();
    // A leader's call may not outlast the time after which it has to step down.
    const absl::Duration timeout =
        leading ? std::max(renewed + options_.renew_deadline - started, absl::Milliseconds(100))
                : options_.renew_deadline;
    bool held = false;
    const Status tried = TryToHold(timeout, held);
    if (!tried.ok() && callbacks_.on_error) callbacks_.on_error(tried);
    if (held) renewed = started;
    const bool lost = tried.ok() ? !held : clock_.Now() - renewed >= options_.renew_deadline;
    if (leading && lost) {
      leading = false;
      callbacks_.on_stopped_leading();
    } else if (!leading && held) {
      leading = true;
      callbacks_.on_started_leading();
    }
  } while (!cancel_.WaitFor(options_.retry_period));
  if (leading) {
    callbacks_.on_stopped_leading();
    Release();
  }
}

Status LeaderElector::TryToHold(absl::Duration timeout, bool& held) {
  const ObjectKey key{options_.ns, options_.name};
  StatusOr<coordination::Lease> seen = client_.Get<coordination::Lease>(key, timeout);
  if (absl::IsNotFound(seen.status())) {
    coordination::Lease fresh;
    fresh.mutable_metadata()->set_namespace_(options_.ns);
    fresh.mutable_metadata()->set_name(options_.name);
    seen = client_.Create(WriteLease(fresh, LeaseMove::kAcquire, options_.identity,
                                     options_.lease_duration, clock_.Now()),
                          timeout);
    held = seen.ok();
    if (absl::IsAlreadyExists(seen.status())) return absl::OkStatus();
  }
  if (!seen.ok()) return seen.status();
  if (!SameHolding(*seen, observed_.lease)) observed_ = {*std::move(seen), clock_.Now()};
  if (held) return absl::OkStatus();

  const LeaseMove move = DecideLease(observed_, options_.identity, clock_.Now());
  if (move == LeaseMove::kWait) return absl::OkStatus();
  StatusOr<coordination::Lease> written = client_.Update(
      WriteLease(observed_.lease, move, options_.identity, options_.lease_duration, clock_.Now()),
      "", timeout);
  if (absl::IsAborted(written.status())) return absl::OkStatus();  // another replica was faster
  if (!written.ok()) return written.status();
  observed_ = {*std::move(written), clock_.Now()};
  held = true;
  return absl::OkStatus();
}

void LeaderElector::Release() {
  coordination::Lease lease = observed_.lease;
  lease.mutable_spec()->set_holderidentity("");
  lease.mutable_spec()->set_leasedurationseconds(1);
  const Status released = client_.Update(lease, "", options_.retry_period).status();
  if (!released.ok() && callbacks_.on_error) callbacks_.on_error(released);
}

}  // namespace berth::kube
