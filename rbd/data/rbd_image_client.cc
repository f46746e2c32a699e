#include "rbd/data/rbd_image_client.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <utility>

#include "rbd/rados_omap.h"

namespace berth {

StatusOr<std::unique_ptr<RbdImageClient>> RbdImageClient::Connect(const data::io::v1::Open& open) {
  const ClusterConfig cluster = {.alias = open.cluster(),
                                 .conf_path = open.conf_path(),
                                 .user = {.id = open.user_id(), .key = open.user_key()},
                                 .revision = ""};
  BERTH_ASSIGN_OR_RETURN(std::shared_ptr<RadosClient> client,
                         RadosClient::Connect(cluster, RadosClient::Purpose::kData,
                                              std::chrono::seconds(open.connect_timeout_s())));
  BERTH_ASSIGN_OR_RETURN(IoContext io, client->OpenPool(open.pool(), open.rados_namespace()));
  BERTH_ASSIGN_OR_RETURN(IoContext registry_io,
                         client->OpenPool(open.pool(), open.rados_namespace()));
  Registry registry(MakeRadosOmapStore(client, std::move(registry_io)));
  return std::unique_ptr<RbdImageClient>(
      new RbdImageClient(std::move(client), std::move(io), std::move(registry)));
}

Status RbdImageClient::OpenImage(const std::string& name, const std::string& id, Image::Mode mode) {
  BERTH_ASSIGN_OR_RETURN(
      image_, id.empty() ? Image::Open(io_, name, mode) : Image::OpenById(io_, id, mode));
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> RbdImageClient::LockOwners() {
  rbd_lock_mode_t mode;
  std::array<char*, 8> owners = {};
  size_t count = owners.size();
  const int error = rbd_lock_get_owners(image_->get(), &mode, owners.data(), &count);
  if (error == -ENOENT) return std::vector<std::string>();
  if (error != 0) return ErrnoError(error, "read who holds the image's exclusive lock");
  std::vector<std::string> names(owners.begin(), owners.begin() + static_cast<ptrdiff_t>(count));
  rbd_lock_get_owners_cleanup(owners.data(), count);
  return names;
}

Status RbdImageClient::BreakLock(const std::string& owner) {
  const int error = rbd_lock_break(image_->get(), RBD_LOCK_MODE_EXCLUSIVE, owner.c_str());
  return error == 0 || error == -ENOENT
             ? absl::OkStatus()
             : ErrnoError(error, fmt::format("break the lock of the dead I/O process {}", owner));
}

Status RbdImageClient::Flush() {
  const int error = rbd_flush(image_->get());
  return error == 0 ? absl::OkStatus() : ErrnoError(error, "flush the image");
}

}  // namespace berth
