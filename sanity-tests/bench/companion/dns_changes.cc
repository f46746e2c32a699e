#include "sanity-tests/bench/companion/dns_changes.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "companion/dns/service_records.h"
#include "companion/dns/testing/dns_message.h"

namespace berth::dns {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr int kNxDomain = 3;
// A prime, so that neighbouring changes are far apart and all slices have their turn.
constexpr size_t kStride = 7919;

ParsedAnswer Ask(uint16_t port, const std::string& name) {
  return ParseAnswer(AskUdp(port, MakeQuery(name, type::kA)));
}

bool HasAddress(const ParsedAnswer& answer, const std::string& address) {
  return std::any_of(answer.answers.begin(), answer.answers.end(),
                     [&](const std::string& record) { return record.ends_with(" A " + address); });
}

// One that no endpoint has had before the `number`th change.
std::string NewAddress(size_t number) {
  return fmt::format("10.{}.{}.{}", 64 + number / 62500, number / 250 % 250, 1 + number % 250);
}

std::string FullName(const kube::discovery::EndpointSlice& slice, const std::string& hostname) {
  return fmt::format("{}.{}.default.svc.cluster.local", hostname,
                     slice.metadata().labels().at(kServiceNameLabel));
}

}  // namespace

EventWitness::EventWitness(kube::ApiClient& client) : slices_(client, {}) {
  slices_.AddHandler([this](const auto& change) {
    if (change.after == nullptr) return;
    auto latest = latest_.Lock();
    latest->resource_version = change.after->metadata().resourceversion();
    latest->at = absl::Now();
    latest.NotifyAll();
  });
}

Status EventWitness::Start() {
  slices_.Start();
  return slices_.WaitForSync(absl::Now() + kPatience);
}

StatusOr<absl::Time> EventWitness::SeenAt(const std::string& resource_version) {
  auto latest = latest_.Lock();
  if (!latest.WaitUntil(absl::Now() + kPatience,
                        [&] { return latest->resource_version == resource_version; })) {
    return absl::DeadlineExceededError("no event came for version " + resource_version);
  }
  return latest->at;
}

StatusOr<ChangeDelays> Changes::Measure(size_t count, uint16_t port) {
  ChangeDelays delays;
  for (size_t i = 0; i < count; ++i) {
    ++made_;
    const bool create = i % 2 == 1;
    BERTH_ASSIGN_OR_RETURN(const ChangeDelay delay,
                           create ? CreateName(port) : ChangeAddress(port));
    (create ? delays.created : delays.changed).push_back(delay);
  }
  return delays;
}

kube::discovery::EndpointSlice& Changes::NextSlice() {
  return cluster_.slices[made_ * kStride % cluster_.slices.size()];
}

kube::discovery::Endpoint& Changes::EndpointIn(kube::discovery::EndpointSlice& slice) const {
  return *slice.mutable_endpoints(static_cast<int>(made_ % 1000) % slice.endpoints_size());
}

StatusOr<ChangeDelay> Changes::ChangeAddress(uint16_t port) {
  kube::discovery::EndpointSlice& slice = NextSlice();
  kube::discovery::Endpoint& endpoint = EndpointIn(slice);
  endpoint.set_addresses(0, NewAddress(made_));
  return Write(slice, endpoint.hostname(), endpoint.addresses(0), port);
}

StatusOr<ChangeDelay> Changes::CreateName(uint16_t port) {
  kube::discovery::EndpointSlice& slice = NextSlice();
  kube::discovery::Endpoint& endpoint = EndpointIn(slice);
  endpoint.set_hostname(fmt::format("late-{}", made_));
  endpoint.set_addresses(0, NewAddress(made_));
  const std::string name = FullName(slice, endpoint.hostname());
  if (Ask(port, name).rcode != kNxDomain) return absl::InternalError(name + " exists already");
  return Write(slice, endpoint.hostname(), endpoint.addresses(0), port);
}

StatusOr<ChangeDelay> Changes::Write(kube::discovery::EndpointSlice& slice,
                                     const std::string& hostname, const std::string& address,
                                     uint16_t port) {
  const std::string name = FullName(slice, hostname);
  slice.mutable_metadata()->clear_managedfields();
  BERTH_ASSIGN_OR_RETURN(kube::discovery::EndpointSlice written, client_.Update(slice));
  const absl::Time replied = absl::Now();
  absl::Time answered = replied;
  while (!HasAddress(Ask(port, name), address)) {
    if (answered - replied > kPatience) {
      return absl::DeadlineExceededError(fmt::format("{} did not become {}", name, address));
    }
    answered = absl::Now();
  }
  answered = absl::Now();
  BERTH_ASSIGN_OR_RETURN(const absl::Time seen,
                         witness_.SeenAt(written.metadata().resourceversion()));
  slice = std::move(written);
  const absl::Duration after_event =
      std::max(answered - std::max(seen, replied), absl::ZeroDuration());
  return ChangeDelay{absl::ToDoubleMilliseconds(answered - replied),
                     absl::ToDoubleMilliseconds(after_event)};
}

}  // namespace berth::dns
