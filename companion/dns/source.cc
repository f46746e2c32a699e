#include "companion/dns/source.h"

#include <utility>

#include "absl/time/clock.h"

namespace berth::dns {
namespace {

namespace core = kube::core;
namespace discovery = kube::discovery;

// Longer than the informers' longest delay before they try again.
constexpr absl::Duration kErrorHolds = absl::Seconds(60);
constexpr absl::Duration kSyncCheckInterval = absl::Seconds(1);

void KeepIdentity(const kube::meta::ObjectMeta& from, kube::meta::ObjectMeta& to) {
  to.set_namespace_(from.namespace_());
  to.set_name(from.name());
  to.set_resourceversion(from.resourceversion());
}

}  // namespace

void TrimService(core::Service& service) {
  core::Service kept;
  KeepIdentity(service.metadata(), *kept.mutable_metadata());
  const auto& annotations = service.metadata().annotations();
  if (const auto found = annotations.find(kTolerateUnreadyAnnotation); found != annotations.end()) {
    (*kept.mutable_metadata()->mutable_annotations())[found->first] = found->second;
  }
  const core::ServiceSpec& spec = service.spec();
  core::ServiceSpec& kept_spec = *kept.mutable_spec();
  if (spec.type() == "ExternalName") {
    kept_spec.set_type(spec.type());
    kept_spec.set_externalname(spec.externalname());
  }
  kept_spec.set_clusterip(spec.clusterip());
  for (const std::string& ip : spec.clusterips()) kept_spec.add_clusterips(ip);
  if (spec.publishnotreadyaddresses()) kept_spec.set_publishnotreadyaddresses(true);
  for (const core::ServicePort& port : spec.ports()) {
    core::ServicePort& kept_port = *kept_spec.add_ports();
    kept_port.set_name(port.name());
    kept_port.set_protocol(port.protocol());
    kept_port.set_port(port.port());
  }
  service = std::move(kept);
}

void TrimSlice(discovery::EndpointSlice& slice) {
  discovery::EndpointSlice kept;
  KeepIdentity(slice.metadata(), *kept.mutable_metadata());
  const auto& labels = slice.metadata().labels();
  if (const auto found = labels.find(kServiceNameLabel); found != labels.end()) {
    (*kept.mutable_metadata()->mutable_labels())[found->first] = found->second;
    kept.set_addresstype(slice.addresstype());
    for (const discovery::Endpoint& endpoint : slice.endpoints()) {
      discovery::Endpoint& kept_endpoint = *kept.add_endpoints();
      for (const std::string& address : endpoint.addresses()) kept_endpoint.add_addresses(address);
      if (!endpoint.hostname().empty()) kept_endpoint.set_hostname(endpoint.hostname());
      // Absent counts as ready.
      if (endpoint.conditions().has_ready() && !endpoint.conditions().ready()) {
        kept_endpoint.mutable_conditions()->set_ready(false);
      }
    }
    for (const discovery::EndpointPort& port : slice.ports()) {
      discovery::EndpointPort& kept_port = *kept.add_ports();
      kept_port.set_name(port.name());
      kept_port.set_protocol(port.protocol());
      kept_port.set_port(port.port());
    }
  }
  slice = std::move(kept);
}

Source::Source(kube::ApiClient& api, Catalog& catalog, const Clock& clock, Options options)
    : clock_(clock),
      catalog_(catalog),
      options_(std::move(options)),
      services_(api, {.trim = TrimService, .on_error = [this](const Status& e) { OnError(e); }}),
      slices_(api, {.trim = TrimSlice, .on_error = [this](const Status& e) { OnError(e); }}) {
  services_.AddHandler([this](const auto& change) {
    OnNews();
    catalog_.SetService(change.key(), change.after);
  });
  slices_.AddHandler([this](const auto& change) {
    OnNews();
    if (!catalog_.SetSlice(change.key(), change.before, change.after, clock_.Now())) return;
    auto state = state_.Lock();
    state->lingering = true;
    state.NotifyAll();
  });
}

Source::~Source() { Stop(); }

void Source::Start() {
  services_.Start();
  slices_.Start();
  sync_thread_ = std::thread([this] { WaitForSync(); });
  expiry_thread_ = std::thread([this] { ExpireLingering(); });
}

void Source::Stop() {
  {
    auto state = state_.Lock();
    state->ending = true;
    state.NotifyAll();
  }
  if (sync_thread_.joinable()) sync_thread_.join();
  if (expiry_thread_.joinable()) expiry_thread_.join();
  services_.Stop();
  slices_.Stop();
}

void Source::WaitForSync() {
  const auto ending = [this] { return state_.Lock()->ending; };
  while (!services_.WaitForSync(absl::Now() + kSyncCheckInterval).ok() ||
         !slices_.WaitForSync(absl::Now() + kSyncCheckInterval).ok()) {
    if (ending()) return;
  }
  synced_.store(true, std::memory_order_release);
  if (options_.on_sync) options_.on_sync();
}

void Source::ExpireLingering() {
  absl::Time next = absl::InfiniteFuture();
  while (true) {
    {
      auto state = state_.Lock();
      state.WaitUntil(next, [&] { return state->ending || state->lingering; });
      if (state->ending) return;
      state->lingering = false;
    }
    next = catalog_.Expire(clock_.Now());
  }
}

void Source::OnError(const Status& error) {
  {
    auto errors = errors_.Lock();
    const absl::Time now = clock_.Now();
    if (now - errors->last > kErrorHolds) errors->first = now;
    errors->last = now;
    ++errors->count;
  }
  if (options_.on_error) options_.on_error(error);
}

void Source::OnNews() { errors_.Lock()->last = absl::InfinitePast(); }

absl::Time Source::failing_since() {
  auto errors = errors_.Lock();
  return clock_.Now() - errors->last > kErrorHolds ? absl::InfiniteFuture() : errors->first;
}

uint64_t Source::errors() { return errors_.Lock()->count; }

}  // namespace berth::dns
