#include "companion/dns/catalog.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace berth::dns {
namespace {

using kube::discovery::Endpoint;
using kube::discovery::EndpointSlice;

// "namespace/name" of the Service that a slice is a part of; empty for none.
std::string ServiceOf(const Catalog::Slice& slice) {
  if (slice == nullptr) return "";
  const auto& labels = slice->metadata().labels();
  const auto label = labels.find(kServiceNameLabel);
  if (label == labels.end() || label->second.empty()) return "";
  return slice->metadata().namespace_() + "/" + label->second;
}

void MoveInto(std::vector<Record>& all, std::vector<Record> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

bool SamePorts(const EndpointSlice& a, const EndpointSlice& b) {
  return std::equal(a.ports().begin(), a.ports().end(), b.ports().begin(), b.ports().end(),
                    [](const auto& x, const auto& y) {
                      return x.name() == y.name() && x.protocol() == y.protocol() &&
                             x.port() == y.port();
                    });
}

// All that an endpoint's records are made of.
using Identity = std::tuple<std::vector<std::string_view>, std::string_view, bool>;
Identity IdentityOf(const Endpoint& endpoint) {
  return {{endpoint.addresses().begin(), endpoint.addresses().end()},
          endpoint.hostname(),
          !endpoint.conditions().has_ready() || endpoint.conditions().ready()};
}

// A run of one slice's endpoints.
using Endpoints = std::span<const Endpoint* const>;

Endpoints EndpointsOf(const EndpointSlice& slice) {
  return {slice.endpoints().data(), static_cast<size_t>(slice.endpoints_size())};
}

// Cuts from both what they have in common at their beginning and end: most of it, as a change is
// about few endpoints.
void CutEqualEnds(Endpoints& a, Endpoints& b) {
  const auto equal = [](const Endpoint* x, const Endpoint* y) {
    return IdentityOf(*x) == IdentityOf(*y);
  };
  const size_t first = static_cast<size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end(), equal).first - a.begin());
  a = a.subspan(first);
  b = b.subspan(first);
  const size_t last = static_cast<size_t>(
      std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend(), equal).first - a.rbegin());
  a = a.first(a.size() - last);
  b = b.first(b.size() - last);
}

// The endpoints of `slice` that `other` does not hold in just the same way.
std::vector<const Endpoint*> Different(const EndpointSlice& slice, const EndpointSlice* other) {
  Endpoints here = EndpointsOf(slice);
  std::set<Identity> same;
  if (other != nullptr && SamePorts(slice, *other)) {
    Endpoints there = EndpointsOf(*other);
    CutEqualEnds(here, there);
    for (const Endpoint* endpoint : there) same.insert(IdentityOf(*endpoint));
  }
  std::vector<const Endpoint*> different;
  for (const Endpoint* endpoint : here) {
    // Removed on a match, so that one of two equal endpoints counts as different.
    if (same.erase(IdentityOf(*endpoint)) == 0) different.push_back(endpoint);
  }
  return different;
}

std::string FirstAddress(const Endpoint& endpoint) {
  return endpoint.addresses().empty() ? "" : endpoint.addresses(0);
}

// Both headless, and publishing the same endpoints: then no record can differ.
bool SameEndpoints(const Catalog::Service& a, const Catalog::Service& b) {
  if (a == nullptr || b == nullptr || !IsHeadless(*a) || !IsHeadless(*b)) return false;
  Endpoint not_ready;
  not_ready.mutable_conditions()->set_ready(false);
  return IsPublished(*a, not_ready) == IsPublished(*b, not_ready);
}

}  // namespace

void Catalog::SetService(const kube::ObjectKey& key, Service service) {
  Changes changes;
  auto state = state_.Lock();
  Entry& entry = state->entries[key.String()];
  if (SameEndpoints(entry.service, service)) {
    entry.service = std::move(service);
    return;
  }
  changes.removed = AllRecords(entry);
  for (Lingering& gone : entry.lingering) MoveInto(changes.removed, std::move(gone.records));
  entry.lingering.clear();
  state->size.services += (service != nullptr ? 1 : 0) - (entry.service != nullptr ? 1 : 0);
  entry.service = std::move(service);
  changes.added = AllRecords(entry);
  EraseIfEmpty(*state, key.String());
  // Under the lock, so that changes reach the zone in their order.
  zone_.Apply(std::move(changes.removed), std::move(changes.added));
}

bool Catalog::SetSlice(const kube::ObjectKey& key, const Slice& before, const Slice& after,
                       absl::Time now) {
  const std::string old_service = ServiceOf(before);
  const std::string new_service = ServiceOf(after);
  const bool same = old_service == new_service;
  Changes changes;
  bool lingers = false;
  auto state = state_.Lock();
  if (!new_service.empty()) {
    Add(*state, new_service, key, after, same ? before : nullptr, changes);
  }
  if (!old_service.empty()) {
    lingers = Remove(*state, old_service, key, before, same ? after : nullptr, now, changes);
    EraseIfEmpty(*state, old_service);
  }
  zone_.Apply(std::move(changes.removed), std::move(changes.added));
  return lingers;
}

void Catalog::Add(State& state, const std::string& service, const kube::ObjectKey& key,
                  const Slice& slice, const Slice& before, Changes& changes) {
  Entry& entry = state.entries[service];
  if (before == nullptr) ++state.size.slices;
  state.size.endpoints += slice->endpoints_size();
  entry.slices[key.name] = slice;
  if (entry.service == nullptr) return;
  for (const Endpoint* endpoint : Different(*slice, before.get())) {
    MoveInto(changes.added, EndpointRecords(*entry.service, *slice, *endpoint, cluster_zone_));
  }
  if (entry.lingering.empty()) return;
  std::unordered_set<std::string_view> addresses;
  std::unordered_set<std::string_view> hostnames;
  for (const Endpoint& endpoint : slice->endpoints()) {
    addresses.insert(endpoint.addresses().begin(), endpoint.addresses().end());
    if (IsPublished(*entry.service, endpoint)) hostnames.insert(endpoint.hostname());
  }
  std::erase_if(entry.lingering, [&](Lingering& gone) {
    const bool taken_over = !gone.hostname.empty() && hostnames.contains(gone.hostname) &&
                            gone.address_type == slice->addresstype();
    if (!taken_over && !addresses.contains(gone.address)) return false;
    MoveInto(changes.removed, std::move(gone.records));
    return true;
  });
}

bool Catalog::Remove(State& state, const std::string& service, const kube::ObjectKey& key,
                     const Slice& slice, const Slice& after, absl::Time now, Changes& changes) {
  Entry& entry = state.entries[service];
  state.size.endpoints -= slice->endpoints_size();
  if (after == nullptr) {
    --state.size.slices;
    entry.slices.erase(key.name);
  }
  if (entry.service == nullptr) return false;
  std::vector<Lingering> leaving = Leaving(*entry.service, *slice, after.get(), now);
  if (leaving.empty()) return false;

  std::unordered_set<std::string_view> wanted;
  for (const Lingering& one : leaving) wanted.insert({one.address, one.hostname});
  std::unordered_set<std::string_view> carried;  // of `wanted`, by what is left
  const auto settled = [&](const Lingering& one) {
    return carried.contains(one.address) ||
           (!one.hostname.empty() && carried.contains(one.hostname));
  };
  const auto look_into = [&](const EndpointSlice& other) {
    for (const Endpoint& endpoint : other.endpoints()) {
      for (const std::string& address : endpoint.addresses()) {
        if (const auto one = wanted.find(address); one != wanted.end()) carried.insert(*one);
      }
      const auto one = wanted.find(endpoint.hostname());
      if (one != wanted.end() && IsPublished(*entry.service, endpoint)) carried.insert(*one);
    }
  };
  // Mostly a pod that has another address now: then the other slices need no look.
  if (after != nullptr && after->addresstype() == slice->addresstype()) look_into(*after);
  size_t others = 0;
  for (const auto& [name, other] : entry.slices) {
    if (name == key.name || other->addresstype() != slice->addresstype()) continue;
    ++others;
    if (!std::all_of(leaving.begin(), leaving.end(), settled)) look_into(*other);
  }
  const bool may_have_moved = after == nullptr || others > 0;
  bool lingers = false;
  for (Lingering& one : leaving) {
    if (may_have_moved && !settled(one)) {
      entry.lingering.push_back(std::move(one));
      lingers = true;
    } else {
      MoveInto(changes.removed, std::move(one.records));
    }
  }
  return lingers;
}

std::vector<Catalog::Lingering> Catalog::Leaving(const kube::core::Service& service,
                                                 const EndpointSlice& slice,
                                                 const EndpointSlice* after, absl::Time now) const {
  std::vector<Lingering> leaving;
  for (const Endpoint* endpoint : Different(slice, after)) {
    std::vector<Record> records = EndpointRecords(service, slice, *endpoint, cluster_zone_);
    if (records.empty()) continue;
    leaving.push_back({FirstAddress(*endpoint), endpoint->hostname(), slice.addresstype(),
                       std::move(records), now + kLinger});
  }
  return leaving;
}

absl::Time Catalog::Expire(absl::Time now) {
  Changes changes;
  absl::Time next = absl::InfiniteFuture();
  auto state = state_.Lock();
  std::vector<std::string> maybe_empty;
  for (auto& [service, entry] : state->entries) {
    if (entry.lingering.empty()) continue;
    std::erase_if(entry.lingering, [&](Lingering& gone) {
      if (gone.until > now) {
        next = std::min(next, gone.until);
        return false;
      }
      MoveInto(changes.removed, std::move(gone.records));
      return true;
    });
    maybe_empty.push_back(service);
  }
  for (const std::string& service : maybe_empty) EraseIfEmpty(*state, service);
  zone_.Apply(std::move(changes.removed), {});
  return next;
}

Catalog::Size Catalog::size() { return state_.Lock()->size; }

void Catalog::EraseIfEmpty(State& state, const std::string& service) {
  const auto found = state.entries.find(service);
  if (found == state.entries.end()) return;
  const Entry& entry = found->second;
  if (entry.service == nullptr && entry.slices.empty() && entry.lingering.empty()) {
    state.entries.erase(found);
  }
}

std::vector<Record> Catalog::AllRecords(const Entry& entry) const {
  std::vector<Record> records;
  if (entry.service == nullptr) return records;
  records = ServiceRecords(*entry.service, cluster_zone_);
  for (const auto& [name, slice] : entry.slices) {
    for (const Endpoint& endpoint : slice->endpoints()) {
      MoveInto(records, EndpointRecords(*entry.service, *slice, endpoint, cluster_zone_));
    }
  }
  return records;
}

}  // namespace berth::dns
