#include "rbd/testing/memory_client.h"

#include <spdlog/fmt/fmt.h>

#include <cerrno>

namespace berth {
namespace {

using Daemon = MemoryRados::Daemon;

// An absent key compares as empty, and its value is never empty.
bool Holds(const std::map<std::string, std::string>& entries, const OmapStore::Change& change) {
  const auto entry = entries.find(change.key);
  const std::string value = entry == entries.end() ? "" : entry->second;
  return value == change.expected.value_or("");
}

void Apply(std::map<std::string, std::string>& entries, const OmapStore::Change& change) {
  if (change.desired) {
    entries[change.key] = *change.desired;
  } else {
    entries.erase(change.key);
  }
}

}  // namespace

StatusOr<std::optional<std::string>> MemoryOmap::Get(const std::string& object,
                                                     const std::string& key) {
  std::optional<std::string> value;
  BERTH_RETURN_IF_ERROR(rados_.Read(client_, Daemon::kRegistryOsd, fmt::format("get {}", key), [&] {
    const auto& entries = rados_.omaps[object];
    if (const auto entry = entries.find(key); entry != entries.end()) value = entry->second;
    return value.value_or("");
  }));
  return value;
}

Status MemoryOmap::Update(const std::string& object, const std::vector<Change>& changes) {
  std::string operation = "update";
  for (const Change& change : changes) {
    operation += fmt::format(" {}: {} -> {}", change.key, change.expected.value_or(""),
                             change.desired.value_or(""));
  }
  return rados_.Change(client_, Daemon::kRegistryOsd, operation,
                       [&rados = rados_, object, changes]() -> Status {
                         auto& entries = rados.omaps[object];
                         for (const Change& change : changes) {
                           if (!rados.faults.sets_without_comparing && !Holds(entries, change)) {
                             return ErrnoError(ECANCELED, fmt::format("update {}", object));
                           }
                         }
                         for (const Change& change : changes) Apply(entries, change);
                         return absl::OkStatus();
                       });
}

StatusOr<std::vector<OmapStore::Entry>> MemoryOmap::List(const std::string& object,
                                                         const std::string& prefix,
                                                         const std::string& after, size_t limit) {
  std::vector<Entry> found;
  BERTH_RETURN_IF_ERROR(
      rados_.Read(client_, Daemon::kRegistryOsd, fmt::format("list {}", object), [&] {
        std::string seen;
        for (const auto& [key, value] : rados_.omaps[object]) {
          if (!key.starts_with(prefix) || key <= after || found.size() >= limit) continue;
          found.push_back({key, value});
          seen += key + value;
        }
        return seen;
      }));
  return found;
}

Status MemoryFencer::Fence(const std::string& address, std::chrono::seconds duration) const {
  BERTH_ASSIGN_OR_RETURN(const std::chrono::seconds kept,
                         rados_.AddToBlocklist(client_, address, duration));
  if (kept >= duration) return absl::OkStatus();
  const Status lifted = rados_.RemoveFromBlocklist(client_, address);
  if (absl::IsPermissionDenied(lifted)) {
    return absl::FailedPreconditionError(fmt::format("{} is blocklisted for less", address));
  }
  BERTH_RETURN_IF_ERROR(lifted);
  return rados_.AddToBlocklist(client_, address, duration).status();
}

Status MemoryFencer::FenceIfMissing(const std::string& address,
                                    std::chrono::seconds duration) const {
  return rados_.AddToBlocklist(client_, address, duration).status();
}

StatusOr<std::map<std::string, int64_t>> MemoryFencer::Blocklist() const {
  std::map<std::string, int64_t> entries;
  BERTH_RETURN_IF_ERROR(rados_.Read(client_, Daemon::kMonitor, "list the blocklist", [&] {
    entries = rados_.Blocklist();
    std::string seen;
    for (const auto& [address, until] : entries) seen += fmt::format("{} {} ", address, until);
    return seen;
  }));
  return entries;
}

Status MemoryFencer::Lift(const std::string& address) const {
  BERTH_RETURN_IF_ERROR(rados_.RemoveFromBlocklist(client_, address));
  return rados_.WaitForLatestMap(client_);
}

Status MemoryImageClient::OpenImage(const std::string& name, const std::string& /*id*/,
                                    Image::Mode mode) {
  return rados_.Change(
      client_, Daemon::kRegistryOsd, "open the image",
      [&rados = rados_, name, mode, own = address(), opened = on_opened]() -> Status {
        if (rados.image.name != name) return absl::NotFoundError(fmt::format("no image {}", name));
        if (mode == Image::Mode::kReadOnly) return absl::OkStatus();
        rados.image.watchers.insert(own);
        opened();
        return absl::OkStatus();
      });
}

StatusOr<std::vector<std::string>> MemoryImageClient::LockOwners() {
  std::vector<std::string> owners;
  BERTH_RETURN_IF_ERROR(rados_.Read(client_, Daemon::kRegistryOsd, "read the lock's owner", [&] {
    if (!rados_.image.lock_owner.empty()) owners.push_back(rados_.image.lock_owner);
    return rados_.image.lock_owner;
  }));
  return owners;
}

// As librbd does: an owner whose watch is there refuses; one without is blocklisted for an hour,
// also when it is only paused.
Status MemoryImageClient::AcquireLock() {
  return rados_.Change(
      client_, Daemon::kRegistryOsd, "take the lock",
      [&rados = rados_, own = address()]() -> Status {
        MemoryRados::Image& image = rados.image;
        if (!image.lock_owner.empty() && image.lock_owner != own) {
          // The OSD forgets the watch of a client when it hears of its fence.
          if (image.watchers.contains(image.lock_owner) && !rados.IsBlocklisted(image.lock_owner) &&
              !rados.chance().Happens("the watch of the lock's owner has expired")) {
            return absl::UnavailableError(
                fmt::format("the image's exclusive lock is held by {}", image.lock_owner));
          }
          rados.AddEntry(image.lock_owner, std::chrono::hours(1));
          image.watchers.erase(image.lock_owner);
        }
        image.lock_owner = own;
        return absl::OkStatus();
      });
}

Status MemoryImageClient::BreakLock(const std::string& owner) {
  return rados_.Change(client_, Daemon::kRegistryOsd, "break the lock of " + owner,
                       [&image = rados_.image, owner] {
                         if (image.lock_owner == owner) image.lock_owner.clear();
                         return absl::OkStatus();
                       });
}

Status MemoryImageClient::Flush() {
  rados_.chance().Wait(address(), "its writes", [this] { return !rados_.HasInFlight(address()); });
  return rados_.WasRefused(address()) ? ErrnoError(ESHUTDOWN, "flush the image") : absl::OkStatus();
}

Status MemoryImageClient::ReleaseLock() {
  return rados_.Change(client_, Daemon::kRegistryOsd, "release the lock",
                       [&image = rados_.image, own = address()] {
                         if (image.lock_owner == own) image.lock_owner.clear();
                         return absl::OkStatus();
                       });
}

Status MemoryImageClient::CloseImage() {
  return rados_.Change(client_, Daemon::kRegistryOsd, "close the image",
                       [&image = rados_.image, own = address(), closed = on_closed] {
                         image.watchers.erase(own);
                         closed();
                         return absl::OkStatus();
                       });
}

Status MemoryImageClient::ReadData(const std::function<void()>& applied) {
  return rados_.Read(client_, Daemon::kDataOsd, "read data", [&] {
    applied();
    return std::string();
  });
}

void MemoryImageClient::SubmitWrite(const std::string& name, const std::function<void()>& applied) {
  rados_.Submit(client_, Daemon::kDataOsd, "write " + name, [applied] {
    applied();
    return absl::OkStatus();
  });
}

}  // namespace berth
