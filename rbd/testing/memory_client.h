#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rbd/data/image_client.h"
#include "rbd/fencer.h"
#include "rbd/omap.h"
#include "rbd/testing/memory_rados.h"

namespace berth {

// Clients of a MemoryRados, one for each interface that the claim protocol stands on. `rados` and
// `client` must outlive them.

class MemoryOmap final : public OmapStore {
 public:
  MemoryOmap(MemoryRados& rados, MemoryRados::Client& client) : rados_(rados), client_(client) {}
  StatusOr<std::optional<std::string>> Get(const std::string& object,
                                           const std::string& key) override;
  Status Update(const std::string& object, const std::vector<Change>& changes) override;
  StatusOr<std::vector<Entry>> List(const std::string& object, const std::string& prefix,
                                    const std::string& after, size_t limit) override;

 private:
  MemoryRados& rados_;
  MemoryRados::Client& client_;
};

class MemoryFencer final : public Fencer {
 public:
  MemoryFencer(MemoryRados& rados, MemoryRados::Client& client) : rados_(rados), client_(client) {}
  Status Fence(const std::string& address, std::chrono::seconds duration) const override;
  Status FenceIfMissing(const std::string& address, std::chrono::seconds duration) const override;
  StatusOr<std::map<std::string, int64_t>> Blocklist() const override;
  Status Lift(const std::string& address) const override;

 private:
  MemoryRados& rados_;
  MemoryRados::Client& client_;
};

class MemoryImageClient final : public ImageClient {
 public:
  MemoryImageClient(MemoryRados& rados, const std::string& address)
      : rados_(rados),
        client_({.address = address}),
        fencer_(rados_, client_),
        registry_(std::make_unique<MemoryOmap>(rados_, client_)) {}

  const std::string& address() const override { return client_.address; }
  const Fencer& fencer() const override { return fencer_; }
  Registry& registry() override { return registry_; }
  Status WaitForLatestMap() override { return rados_.WaitForLatestMap(client_); }
  Status OpenImage(const std::string& name, const std::string& id, Image::Mode mode) override;
  StatusOr<bool> HasExclusiveLock() override { return rados_.image.has_lock; }
  StatusOr<std::vector<std::string>> LockOwners() override;
  Status AcquireLock() override;
  Status BreakLock(const std::string& owner) override;
  Status Flush() override;
  Status ReleaseLock() override;
  Status CloseImage() override;

  // Run when the image is opened for writing and closed, as its OSD sees it.
  std::function<void()> on_opened = [] {};
  std::function<void()> on_closed = [] {};

  // What the image is for: reads, and writes that are not waited for. `applied` runs when and if
  // the data's OSD serves it.
  Status ReadData(const std::function<void()>& applied);
  void SubmitWrite(const std::string& name, const std::function<void()>& applied);

 private:
  MemoryRados& rados_;
  MemoryRados::Client client_;
  MemoryFencer fencer_;
  Registry registry_;
};

}  // namespace berth
