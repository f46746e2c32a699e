#include "rbd/data/image_session.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "rbd/mapping_intent.h"
#include "rbd/rados_omap.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

StatusOr<std::vector<std::string>> LockOwners(const Image& image) {
  rbd_lock_mode_t mode;
  std::array<char*, 8> owners = {};
  size_t count = owners.size();
  const int error = rbd_lock_get_owners(image.get(), &mode, owners.data(), &count);
  if (error == -ENOENT) return std::vector<std::string>();
  if (error != 0) return ErrnoError(error, "read who holds the image's exclusive lock");
  std::vector<std::string> names(owners.begin(), owners.begin() + static_cast<ptrdiff_t>(count));
  rbd_lock_get_owners_cleanup(owners.data(), count);
  return names;
}

}  // namespace

StatusOr<std::unique_ptr<ImageSession>> ImageSession::Open(
    const data::io::v1::Open& open,
    const std::function<void(const std::string& instance)>& on_connected) {
  std::unique_ptr<ImageSession> session(new ImageSession(open));
  BERTH_RETURN_IF_ERROR(session->Connect(on_connected));
  if (!open.read_only()) BERTH_RETURN_IF_ERROR(session->RecordOpening());
  Status status = session->OpenImage();
  if (status.ok() && !open.read_only()) {
    status = session->TakeLock();
    if (status.ok()) status = session->RecordOpen();
  }
  if (status.ok()) return session;
  // The claim may be taken back meanwhile, and what went wrong first is what matters.
  const Status closed = session->Close();
  if (closed.ok()) return status;
  return Annotate(status, fmt::format("opening failed and could not be undone ({})",
                                      std::string(closed.message())));
}

Status ImageSession::Connect(const std::function<void(const std::string&)>& on_connected) {
  const ClusterConfig cluster = {.alias = open_.cluster(),
                                 .conf_path = open_.conf_path(),
                                 .user = {.id = open_.user_id(), .key = open_.user_key()},
                                 .revision = ""};
  BERTH_ASSIGN_OR_RETURN(client_,
                         RadosClient::Connect(cluster, RadosClient::Purpose::kData,
                                              std::chrono::seconds(open_.connect_timeout_s())));
  on_connected(client_->address());
  BERTH_ASSIGN_OR_RETURN(io_, client_->OpenPool(open_.pool(), open_.rados_namespace()));
  BERTH_ASSIGN_OR_RETURN(IoContext registry_io,
                         client_->OpenPool(open_.pool(), open_.rados_namespace()));
  registry_ = std::make_unique<Registry>(MakeRadosOmapStore(client_, std::move(registry_io)));
  return absl::OkStatus();
}

Status ImageSession::RecordOpening() {
  const std::string& own = client_->address();
  std::set<std::string> dead;
  const StatusOr<VolumeRecord> record = registry_->Update(open_.image(), [&](VolumeRecord& volume) {
    dead = {open_.dead_instances().begin(), open_.dead_instances().end()};
    // Who dies before it can tell berth-data its instance has told the claim. What an earlier boot
    // of this node opened is dead too; left to librbd, its lock would be broken with a fence of an
    // hour, which nobody can lengthen when the claim is taken back.
    if (open_.succeeds() || volume.writer.boot_id != open_.boot_id()) {
      dead.insert(volume.writer.instances.begin(), volume.writer.instances.end());
    }
    for (const std::string& closed : open_.closed_instances()) dead.erase(closed);
    dead.erase(own);
    return BeginOpenClaim(volume.writer, open_.node_id(), open_.epoch(), open_.boot_id(), own,
                          {dead.begin(), dead.end()});
  });
  BERTH_RETURN_IF_ERROR(record.status());
  image_id_ = record->image_id;
  dead_instances_ = std::move(dead);
  return absl::OkStatus();
}

Status ImageSession::OpenImage() {
  // No OSD serves this instance before it knows every fence in the newest map, so nothing that was
  // fenced before we were let in can still write behind us.
  BERTH_RETURN_IF_ERROR(client_->WaitForLatestMap());
  const Image::Mode mode = open_.read_only() ? Image::Mode::kReadOnly : Image::Mode::kReadWrite;
  BERTH_ASSIGN_OR_RETURN(image_, image_id_.empty() ? Image::Open(*io_, open_.image(), mode)
                                                   : Image::OpenById(*io_, image_id_, mode));
  return absl::OkStatus();
}

Status ImageSession::TakeLock() {
  BERTH_RETURN_IF_ERROR(BreakDeadLock());
  Status status = image_->AcquireLock();
  locked_ = status.ok();
  if (status.code() != absl::StatusCode::kUnavailable || ErrnoOf(status) != 0) return status;
  return absl::FailedPreconditionError(fmt::format(
      "{}, which this volume's claim does not record; end that client (`rbd status` shows it)",
      std::string(status.message())));
}

// Without this the lock of a process that was killed is ours only after its watch has expired, 30 s
// later. Nobody else's lock is ever broken.
Status ImageSession::BreakDeadLock() {
  if (dead_instances_.empty()) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> owners, LockOwners(*image_));
  for (const std::string& dead : dead_instances_) {
    if (IsMappingIntent(dead)) continue;  // its device was given to nobody
    // Also where it had no lock: what it sent may still be on its way.
    BERTH_RETURN_IF_ERROR(client_->FenceIfMissing(dead, kDeadClientFence));
    if (std::find(owners.begin(), owners.end(), dead) == owners.end()) continue;
    const int error = rbd_lock_break(image_->get(), RBD_LOCK_MODE_EXCLUSIVE, dead.c_str());
    if (error != 0 && error != -ENOENT) {
      return ErrnoError(error, fmt::format("break the lock of the dead I/O process {}", dead));
    }
  }
  return client_->WaitForLatestMap();
}

Status ImageSession::RecordOpen() {
  BERTH_RETURN_IF_ERROR(registry_
                            ->Update(open_.image(),
                                     [this](VolumeRecord& volume) {
                                       return CompleteOpenClaim(volume.writer, open_.node_id(),
                                                                open_.epoch(), client_->address());
                                     })
                            .status());
  // They are dead and fenced, or have closed: nothing is left to do about them.
  for (const std::string& dead : dead_instances_) {
    BERTH_RETURN_IF_ERROR(RecordClosed(dead));
  }
  for (const std::string& closed : open_.closed_instances()) {
    BERTH_RETURN_IF_ERROR(RecordClosed(closed));
  }
  return absl::OkStatus();
}

Status ImageSession::RecordClosed(const std::string& instance) {
  const Status status =
      registry_
          ->Update(open_.image(),
                   [this, &instance](VolumeRecord& volume) {
                     return CloseClaim(volume.writer, open_.node_id(), open_.epoch(), instance);
                   })
          .status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;  // the volume is gone
}

Status ImageSession::CloseImage() {
  if (!image_) return absl::OkStatus();
  if (locked_) {  // else nothing was written
    if (const int error = rbd_flush(image_->get()); error != 0) {
      return ErrnoError(error, "flush the image");
    }
    BERTH_RETURN_IF_ERROR(image_->ReleaseLock());
  }
  return image_->Close();
}

Status ImageSession::Close() {
  BERTH_RETURN_IF_ERROR(CloseImage());
  if (open_.read_only()) return absl::OkStatus();
  return RecordClosed(client_->address());
}

}  // namespace berth
