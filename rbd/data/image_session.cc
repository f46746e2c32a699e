#include "rbd/data/image_session.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <vector>

#include "rbd/mapping_intent.h"
#include "rbd/volume_claims.h"

namespace berth {

StatusOr<std::unique_ptr<ImageSession>> ImageSession::Open(const data::io::v1::Open& open,
                                                           ImageClient& client) {
  std::unique_ptr<ImageSession> session(new ImageSession(open, client));
  BERTH_RETURN_IF_ERROR(open.read_only() ? session->CheckReader() : session->RecordOpening());
  Status status = session->OpenImage();
  if (status.ok() && !open.read_only()) status = session->OpenForWriting();
  if (status.ok()) return session;
  // The claim may be taken back meanwhile, and what went wrong first is what matters.
  const Status closed = session->Close();
  if (closed.ok()) return status;
  return Annotate(status, fmt::format("opening failed and could not be undone ({})",
                                      std::string(closed.message())));
}

Status ImageSession::CheckReader() {
  BERTH_ASSIGN_OR_RETURN(VolumeRecord record, client_.registry().Get(open_.image()));
  image_id_ = record.image_id;
  return CheckClaim(ClaimOf(record, open_.node_id()), open_.node_id(), open_.epoch());
}

Status ImageSession::RecordOpening() {
  const std::string& own = client_.address();
  std::set<std::string> dead;
  std::set<std::string> unknown;
  const StatusOr<VolumeRecord> record =
      client_.registry().Update(open_.image(), [&](VolumeRecord& volume) {
        WriterClaim& claim = ClaimOf(volume, open_.node_id());
        unknown = {claim.instances.begin(), claim.instances.end()};
        dead = {open_.dead_instances().begin(), open_.dead_instances().end()};
        // Who dies before it can tell berth-data its instance has told the claim. What an earlier
        // boot of this node opened is dead too; left to librbd, its lock would be broken with a
        // fence of an hour, which nobody can lengthen when the claim is taken back.
        if (open_.succeeds() || claim.boot_id != open_.boot_id()) {
          dead.insert(claim.instances.begin(), claim.instances.end());
        }
        for (const std::string& closed : open_.closed_instances()) {
          dead.erase(closed);
          unknown.erase(closed);
        }
        dead.erase(own);
        unknown.erase(own);
        for (const std::string& gone : dead) unknown.erase(gone);
        return BeginOpenClaim(claim, open_.node_id(), open_.epoch(), open_.boot_id(), own,
                              {dead.begin(), dead.end()});
      });
  BERTH_RETURN_IF_ERROR(record.status());
  image_id_ = record->image_id;
  shared_ = record->shared.has_value();
  dead_instances_ = std::move(dead);
  std::erase_if(unknown, [](const std::string& instance) { return IsMappingIntent(instance); });
  unknown_instances_ = std::move(unknown);
  return absl::OkStatus();
}

Status ImageSession::OpenImage() {
  // No OSD serves this instance before it knows every fence in the newest map, so nothing that was
  // fenced before we were let in can still write behind us.
  BERTH_RETURN_IF_ERROR(client_.WaitForLatestMap());
  const Image::Mode mode = open_.read_only() ? Image::Mode::kReadOnly : Image::Mode::kReadWrite;
  const Status status = client_.OpenImage(open_.image(), image_id_, mode);
  opened_ = status.ok();
  return status;
}

Status ImageSession::OpenForWriting() {
  BERTH_ASSIGN_OR_RETURN(const bool has_lock, client_.HasExclusiveLock());
  BERTH_RETURN_IF_ERROR(FenceEarlier());
  if (has_lock && !shared_) BERTH_RETURN_IF_ERROR(TakeLock());
  may_have_written_ = true;
  return RecordOpen();
}

// Also those that had no lock: what they sent may still be on its way. Those of which nobody knows
// whether they are dead stay in the claim, so that their fence gets a record when it is taken back;
// left to librbd, their lock would be broken with a fence that is too short for that.
Status ImageSession::FenceEarlier() {
  for (const std::string& unknown : unknown_instances_) {
    BERTH_RETURN_IF_ERROR(client_.fencer().Fence(unknown, kFenceDuration));
  }
  for (const std::string& dead : dead_instances_) {
    if (IsMappingIntent(dead)) continue;  // its device was given to nobody
    BERTH_RETURN_IF_ERROR(client_.fencer().FenceIfMissing(dead, kDeadClientFence));
  }
  return dead_instances_.empty() && unknown_instances_.empty() ? absl::OkStatus()
                                                               : client_.WaitForLatestMap();
}

Status ImageSession::TakeLock() {
  BERTH_RETURN_IF_ERROR(BreakEarlierLocks());
  Status status = client_.AcquireLock();
  locked_ = status.ok();
  if (status.code() != absl::StatusCode::kUnavailable || ErrnoOf(status) != 0) return status;
  return absl::FailedPreconditionError(fmt::format(
      "{}, which this volume's claim does not record; end that client (`rbd status` shows it)",
      std::string(status.message())));
}

// Without this the lock of a process that was killed is ours only after its watch has expired, 30 s
// later. Nobody else's lock is ever broken.
Status ImageSession::BreakEarlierLocks() {
  if (dead_instances_.empty() && unknown_instances_.empty()) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> owners, client_.LockOwners());
  for (const std::string& owner : owners) {
    if (!dead_instances_.contains(owner) && !unknown_instances_.contains(owner)) continue;
    BERTH_RETURN_IF_ERROR(client_.BreakLock(owner));
  }
  return absl::OkStatus();
}

Status ImageSession::RecordOpen() {
  BERTH_RETURN_IF_ERROR(client_.registry()
                            .Update(open_.image(),
                                    [this](VolumeRecord& volume) {
                                      return CompleteOpenClaim(ClaimOf(volume, open_.node_id()),
                                                               open_.node_id(), open_.epoch(),
                                                               client_.address());
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
  const Status status = client_.registry()
                            .Update(open_.image(),
                                    [this, &instance](VolumeRecord& volume) {
                                      return CloseClaim(ClaimOf(volume, open_.node_id()),
                                                        open_.node_id(), open_.epoch(), instance);
                                    })
                            .status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;  // the volume is gone
}

Status ImageSession::CloseImage() {
  if (!opened_) return absl::OkStatus();
  if (may_have_written_) BERTH_RETURN_IF_ERROR(client_.Flush());
  if (locked_) BERTH_RETURN_IF_ERROR(client_.ReleaseLock());
  opened_ = false;
  return client_.CloseImage();
}

Status ImageSession::Close() {
  BERTH_RETURN_IF_ERROR(CloseImage());
  if (open_.read_only()) return absl::OkStatus();
  return RecordClosed(client_.address());
}

}  // namespace berth
