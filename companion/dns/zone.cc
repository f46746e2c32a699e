#include "companion/dns/zone.h"

#include <algorithm>
#include <tuple>

namespace berth::dns {
namespace {

struct Counted {
  Record record;
  int delta;
};

bool SameSet(const Record& a, const Record& b) { return a.owner == b.owner && a.type == b.type; }

// Ordered by owner, type and data, each record once.
std::vector<Counted> Counts(std::vector<Record> removed, std::vector<Record> added) {
  std::vector<Counted> all;
  all.reserve(removed.size() + added.size());
  for (Record& record : removed) all.push_back({std::move(record), -1});
  for (Record& record : added) all.push_back({std::move(record), +1});
  std::sort(all.begin(), all.end(),
            [](const Counted& a, const Counted& b) { return a.record < b.record; });
  size_t kept = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (kept > 0 && all[kept - 1].record == all[i].record) {
      all[kept - 1].delta += all[i].delta;
    } else {
      if (kept != i) all[kept] = std::move(all[i]);
      ++kept;
    }
  }
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(kept), all.end());
  std::erase_if(all, [](const Counted& counted) { return counted.delta == 0; });
  return all;
}

}  // namespace

void Zone::Apply(std::vector<Record> removed, std::vector<Record> added) {
  const std::vector<Counted> counts = Counts(std::move(removed), std::move(added));
  if (counts.empty()) return;
  const std::lock_guard<std::mutex> writer(writer_);
  Sets sets;
  for (size_t begin = 0, end = 0; begin < counts.size(); begin = end) {
    std::vector<RrSet::Change> changes;
    const Record& first = counts[begin].record;
    for (; end < counts.size() && SameSet(counts[end].record, first); ++end) {
      changes.push_back({counts[end].record.rdata, counts[end].delta});
    }
    sets.emplace_back(first.owner, Changed(first.owner, first.type, changes));
  }
  const std::lock_guard<WriterFirstMutex> lock(mutex_);
  for (auto& [owner, set] : sets) Put(owner, std::move(set));
  serial_.fetch_add(1, std::memory_order_relaxed);
}

RrSet Zone::Changed(const Name& owner, uint16_t type,
                    const std::vector<RrSet::Change>& changes) const {
  const auto node = nodes_.find(owner);
  const RrSet* before = node == nodes_.end() ? nullptr : node->second.Find(type);
  return before == nullptr ? RrSet(type).With(changes) : before->With(changes);
}

void Zone::Put(const Name& owner, RrSet set) {
  if (set.empty()) {
    const auto node = nodes_.find(owner);
    if (node == nodes_.end()) return;
    std::erase_if(node->second.sets_,
                  [&](const RrSet& other) { return other.type() == set.type(); });
    RemoveIfUnused(owner);
    return;
  }
  const auto [node, created] = nodes_.try_emplace(owner);
  std::vector<RrSet>& sets = node->second.sets_;
  const auto same_type = std::find_if(
      sets.begin(), sets.end(), [&](const RrSet& other) { return other.type() == set.type(); });
  if (same_type != sets.end()) {
    *same_type = std::move(set);
  } else {
    sets.push_back(std::move(set));
  }
  if (created) AddToParents(owner);
}

void Zone::AddToParents(std::string_view name) {
  while (name.size() > 1) {
    name = Parent(name);
    const auto [node, created] = nodes_.try_emplace(Name(name));
    ++node->second.children_;
    if (!created) return;
  }
}

void Zone::RemoveIfUnused(std::string_view name) {
  while (true) {
    const auto node = nodes_.find(name);
    if (node == nodes_.end() || !node->second.sets_.empty() || node->second.children_ > 0) return;
    nodes_.erase(node);
    if (name.size() <= 1) return;
    name = Parent(name);
    --nodes_.find(name)->second.children_;
  }
}

}  // namespace berth::dns
