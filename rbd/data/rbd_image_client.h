#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io_process.pb.h"
#include "rbd/data/image_client.h"
#include "rbd/rados.h"

namespace berth {

// An ImageClient of a real cluster.
class RbdImageClient final : public ImageClient {
 public:
  // Connects as `open` says and opens the pool; nothing is recorded or opened yet. NOT_FOUND: no
  // such pool. PERMISSION_DENIED: wrong key or caps. DEADLINE_EXCEEDED: no monitor answers.
  static StatusOr<std::unique_ptr<RbdImageClient>> Connect(const data::io::v1::Open& open);

  // After OpenImage.
  const Image& image() const { return *image_; }

  const std::string& address() const override { return client_->address(); }
  const Fencer& fencer() const override { return *client_; }
  Registry& registry() override { return registry_; }
  Status WaitForLatestMap() override { return client_->WaitForLatestMap(); }
  Status OpenImage(const std::string& name, const std::string& id, Image::Mode mode) override;
  StatusOr<bool> HasExclusiveLock() override { return image_->HasExclusiveLock(); }
  StatusOr<std::vector<std::string>> LockOwners() override;
  Status AcquireLock() override { return image_->AcquireLock(); }
  Status BreakLock(const std::string& owner) override;
  Status Flush() override;
  Status ReleaseLock() override { return image_->ReleaseLock(); }
  Status CloseImage() override { return image_->Close(); }

 private:
  RbdImageClient(std::shared_ptr<RadosClient> client, IoContext io, Registry registry)
      : client_(std::move(client)), io_(std::move(io)), registry_(std::move(registry)) {}

  const std::shared_ptr<RadosClient> client_;  // first, so that it goes last
  const IoContext io_;
  Registry registry_;
  std::optional<Image> image_;
};

}  // namespace berth
