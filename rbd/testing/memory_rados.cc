#include "rbd/testing/memory_rados.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace berth {
namespace {

Status TimedOut(const std::string& operation) { return ErrnoError(ETIMEDOUT, operation); }

}  // namespace

Status MemoryRados::Change(Client& client, Daemon daemon, const std::string& operation,
                           Effect effect) {
  switch (chance_.Sent(client, daemon, operation)) {
    case Fate::kServed: {
      Status status = Serve(client, daemon, effect);
      chance_.Answered(client.address, status.ToString());
      return status;
    }
    case Fate::kTimesOut:
      in_flight_.push_back({client, daemon, operation, std::move(effect)});
      chance_.Answered(client.address, "timed out");
      return TimedOut(operation);
    case Fate::kDies:
      in_flight_.push_back({client, daemon, operation, std::move(effect)});
      throw ProcessDied{};
    case Fate::kDiesBefore:
      throw ProcessDied{};
  }
  return absl::InternalError("unreachable fate");
}

void MemoryRados::Submit(Client& client, Daemon daemon, const std::string& operation,
                         Effect effect) {
  in_flight_.push_back({client, daemon, operation, std::move(effect)});
}

Status MemoryRados::Read(Client& client, Daemon daemon, const std::string& operation,
                         const std::function<std::string()>& look) {
  switch (chance_.Sent(client, daemon, operation)) {
    case Fate::kServed: {
      std::string seen;
      Status status = Serve(client, daemon, [&] {
        seen = look();
        return absl::OkStatus();
      });
      chance_.Answered(client.address, status.ok() ? seen : status.ToString());
      return status;
    }
    case Fate::kTimesOut:
      chance_.Answered(client.address, "timed out");
      return TimedOut(operation);
    case Fate::kDies:
    case Fate::kDiesBefore:
      throw ProcessDied{};
  }
  return absl::InternalError("unreachable fate");
}

Status MemoryRados::Serve(const Client& client, Daemon daemon, const Effect& effect) {
  if (Refuses(client, daemon)) {
    refused_.insert(client.address);
    return ErrnoError(ESHUTDOWN, fmt::format("the client {} is blocklisted", client.address));
  }
  return effect();
}

bool MemoryRados::IsRefusedForGood(const Client& client, Daemon daemon) const {
  const auto entry = blocklist_.find(client.address);
  if (daemon == Daemon::kMonitor || faults.ignores_fences || entry == blocklist_.end()) {
    return false;
  }
  const auto known = known_epoch_.find(daemon);
  return (known != known_epoch_.end() && entry->second.map_epoch <= known->second) ||
         entry->second.map_epoch <= client.map_epoch;
}

// An OSD has at least the map that any operation it was sent carried; whether it has heard of a
// newer one is chance.
bool MemoryRados::Refuses(const Client& client, Daemon daemon) {
  if (daemon == Daemon::kMonitor || faults.ignores_fences) return false;
  uint64_t& known = known_epoch_[daemon];
  known = std::max(known, client.map_epoch);
  const auto entry = blocklist_.find(client.address);
  if (entry == blocklist_.end()) return false;
  if (entry->second.map_epoch > known && chance_.Happens("the OSD has not heard of the fence")) {
    return false;
  }
  known = std::max(known, entry->second.map_epoch);
  return true;
}

StatusOr<std::chrono::seconds> MemoryRados::AddToBlocklist(Client& client,
                                                           const std::string& address,
                                                           std::chrono::seconds duration) {
  BERTH_RETURN_IF_ERROR(Change(client, Daemon::kMonitor, fmt::format("blocklist {}", address),
                               [this, address, duration] {
                                 AddEntry(address, duration);
                                 return absl::OkStatus();
                               }));
  client.map_epoch = map_epoch_;
  return blocklist_.at(address).duration;
}

void MemoryRados::AddEntry(const std::string& address, std::chrono::seconds duration) {
  // Ceph does not lengthen an entry that is there.
  if (blocklist_.contains(address)) return;
  blocklist_[address] = {.map_epoch = ++map_epoch_, .duration = duration};
}

Status MemoryRados::RemoveFromBlocklist(Client& client, const std::string& address) {
  return Change(client, Daemon::kMonitor, fmt::format("unblocklist {}", address),
                [this, address]() -> Status {
                  if (!may_lift_) return ErrnoError(EACCES, "osd blocklist rm");
                  if (blocklist_.erase(address) > 0) ++map_epoch_;
                  return absl::OkStatus();
                });
}

Status MemoryRados::WaitForLatestMap(Client& client) {
  return Read(client, Daemon::kMonitor, "wait for the newest map", [&] {
    if (!faults.answers_with_an_old_map) client.map_epoch = map_epoch_;
    return std::to_string(client.map_epoch);
  });
}

std::map<std::string, int64_t> MemoryRados::Blocklist() const {
  std::map<std::string, int64_t> entries;
  for (const auto& [address, entry] : blocklist_) entries[address] = entry.duration.count();
  return entries;
}

bool MemoryRados::HasFencesShorterThan(std::chrono::seconds duration) const {
  return std::any_of(blocklist_.begin(), blocklist_.end(),
                     [&](const auto& entry) { return entry.second.duration < duration; });
}

void MemoryRados::EndFencesShorterThan(std::chrono::seconds duration) {
  // Their watches, which are pinged no more, are over by then.
  for (auto entry = blocklist_.begin(); entry != blocklist_.end();) {
    const bool over = entry->second.duration < duration;
    if (over) image.watchers.erase(entry->first);
    entry = over ? blocklist_.erase(entry) : std::next(entry);
  }
  ++map_epoch_;
}

bool MemoryRados::HasInFlight(const std::string& address) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(),
                     [&](const InFlight& message) { return message.client.address == address; });
}

void MemoryRados::Deliver(std::list<InFlight>::const_iterator message) {
  InFlight arrived = *message;
  in_flight_.erase(message);
  // Nobody waits for the answer.
  Serve(arrived.client, arrived.daemon, arrived.effect).IgnoreError();
}

std::string MemoryRados::Fingerprint() const {
  std::string text = std::to_string(map_epoch_);
  for (const auto& [daemon, epoch] : known_epoch_) text += fmt::format(" {}", epoch);
  for (const auto& [address, entry] : blocklist_) {
    text += fmt::format("\nb {} {} {}", address, entry.map_epoch, entry.duration.count());
  }
  for (const std::string& client : refused_) text += "\nr " + client;
  for (const InFlight& message : in_flight_) {
    text += fmt::format("\nm {} {} {} {}", message.client.address, message.client.map_epoch,
                        static_cast<int>(message.daemon), message.operation);
  }
  for (const auto& [object, entries] : omaps) {
    for (const auto& [key, value] : entries)
      text += fmt::format("\no {} {} {}", object, key, value);
  }
  text += "\nl " + image.lock_owner;
  for (const std::string& watcher : image.watchers) text += "\nw " + watcher;
  return text;
}

}  // namespace berth
