#include "rbd/data/fuse_attacher.h"

#include <spdlog/fmt/fmt.h>

#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "rbd/data/data_path_messages.h"
#include "rbd/data/user_probe.h"

namespace berth {
namespace {

// How long one volume may hold up the others when their I/O processes are replaced.
constexpr absl::Duration kReplaceTimeout = absl::Seconds(10);

constexpr absl::Duration kProbeTimeout = absl::Seconds(30);

data::io::v1::Open DescribeUser(const VolumeHandle& volume, const ClusterConfig& cluster,
                                const CephUser& user, uint32_t connect_timeout_s) {
  data::io::v1::Open open;
  open.set_cluster(cluster.alias);
  open.set_conf_path(cluster.conf_path);
  open.set_user_id(user.id);
  open.set_user_key(user.key);
  open.set_pool(volume.pool);
  open.set_rados_namespace(volume.rados_namespace);
  open.set_connect_timeout_s(connect_timeout_s);
  return open;
}

Status CheckSame(AttachedVolume& volume, const AttachRequest& request) {
  if (volume.epoch() != request.epoch) {
    return absl::FailedPreconditionError(fmt::format(
        "it is still attached here under epoch {} of its claim, and epoch {} was asked for: detach "
        "it first",
        volume.epoch(), request.epoch));
  }
  if (volume.read_only() != request.read_only) {
    return absl::FailedPreconditionError(
        fmt::format("it is already attached here {}: detach it first",
                    volume.read_only() ? "read-only" : "for writing"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<Attachment> FuseAttacher::Attach(const AttachRequest& request, absl::Time deadline) {
  const std::string name = request.volume.ToString();
  BERTH_ASSIGN_OR_RETURN(const KeyedGuard::Hold hold, guard_.Acquire(name, deadline));
  BERTH_RETURN_IF_ERROR(CheckOurs());
  StatusOr<VolumePtr> volume = FindOrStart(request, deadline);
  if (!volume.ok()) return Annotate(volume.status(), fmt::format("attach {}", name));
  const Status status = (*volume)->Attach(deadline);
  if (status.ok()) return (*volume)->view();
  if (!absl::IsDeadlineExceeded(status) || (*volume)->IsGone()) {
    // What this leaves, if closing takes longer, is found by the next call.
    if ((*volume)->Detach(deadline).ok() || (*volume)->IsGone()) Forget(request.volume);
  }
  return Annotate(status, fmt::format("attach {}", name));
}

StatusOr<FuseAttacher::VolumePtr> FuseAttacher::FindOrStart(const AttachRequest& request,
                                                            absl::Time deadline) {
  const VolumePtr volume = Find(request.volume);
  if (volume == nullptr) return Start(request);
  if (volume->view().healthy) {
    BERTH_RETURN_IF_ERROR(CheckSame(*volume, request));
    return volume;
  }
  // What is left of an attachment that failed is taken away first, unless somebody still uses it.
  const Status status = volume->Detach(deadline);
  if (!volume->IsGone()) return Annotate(status, "an earlier attachment that failed is in the way");
  Forget(request.volume);
  return Start(request);
}

AttachedVolume::Options FuseAttacher::VolumeOptions(const AttachRequest& request) {
  AttachedVolume::Options options;
  options.readers = options_.readers;
  options.keep = [this](const data::held::v1::Volume& volume, const std::vector<int>& descriptors) {
    if (options_.keeper != nullptr) options_.keeper->Keep(volume, descriptors);
  };
  options.io.command = options_.io_command;
  options.io.make_open = [this, request] { return MakeOpen(request); };
  options.io.on_event = [this, handle = request.volume](const std::string& what) {
    options_.on_event(handle, what);
  };
  return options;
}

// What the I/O process needs to know; its errors name the cluster.
StatusOr<data::io::v1::Open> FuseAttacher::MakeOpen(const AttachRequest& request) {
  BERTH_ASSIGN_OR_RETURN(const ClusterConfig cluster,
                         options_.clusters.Find(request.volume.cluster));
  if (!request.user) (*users_.Lock())[request.volume] = cluster.user;
  data::io::v1::Open open = DescribeUser(
      request.volume, cluster, request.user.value_or(cluster.user), options_.connect_timeout_s);
  open.set_image(request.volume.image);
  open.set_node_id(request.node_id);
  open.set_boot_id(request.boot_id);
  open.set_epoch(request.epoch);
  open.set_read_only(request.read_only);
  open.set_replay(options_.replay);
  open.set_instance_files(options_.instance_files);
  return open;
}

StatusOr<FuseAttacher::VolumePtr> FuseAttacher::Start(const AttachRequest& request) {
  const auto attached = attached_.Lock();
  if (attached->refuse) {
    return absl::UnavailableError("berth-data is ending and attaches nothing new");
  }
  BERTH_ASSIGN_OR_RETURN(VolumePtr volume, AttachedVolume::Start(request, VolumeOptions(request)));
  attached->volumes[request.volume] = volume;
  return volume;
}

Status FuseAttacher::Detach(const VolumeHandle& volume, absl::Time deadline) {
  const std::string name = volume.ToString();
  BERTH_ASSIGN_OR_RETURN(const KeyedGuard::Hold hold, guard_.Acquire(name, deadline));
  BERTH_RETURN_IF_ERROR(CheckOurs());
  const VolumePtr attached = Find(volume);
  if (attached == nullptr) return absl::OkStatus();
  const Status status = attached->Detach(deadline);
  if (attached->IsGone()) Forget(volume);
  return Annotate(status, fmt::format("detach {}", name));
}

StatusOr<std::vector<Attachment>> FuseAttacher::List(absl::Time) {
  BERTH_RETURN_IF_ERROR(CheckOurs());
  std::vector<Attachment> attachments;
  const auto attached = attached_.Lock();
  for (const auto& [handle, volume] : attached->volumes) {
    Attachment attachment = volume->view();
    if (!attachment.device.empty()) attachments.push_back(std::move(attachment));
  }
  return attachments;
}

Status FuseAttacher::CheckOurs() {
  if (!attached_.Lock()->given_up) return absl::OkStatus();
  return absl::UnavailableError("berth-data has just handed over to another one: call again");
}

Status FuseAttacher::Adopt(HeldVolume held) {
  BERTH_ASSIGN_OR_RETURN(const AttachRequest request, FromMessage(held.state.request()));
  BERTH_ASSIGN_OR_RETURN(VolumePtr volume,
                         AttachedVolume::Adopt(std::move(held), VolumeOptions(request)));
  attached_.Lock()->volumes[request.volume] = std::move(volume);
  return absl::OkStatus();
}

std::vector<HeldVolume> FuseAttacher::GiveUpAll(absl::Time deadline) {
  std::map<VolumeHandle, VolumePtr> volumes;
  {
    const auto attached = attached_.Lock();
    attached->given_up = true;
    volumes = attached->volumes;
  }
  std::vector<HeldVolume> held;
  for (const auto& [handle, volume] : volumes) {
    const auto hold = guard_.Acquire(handle.ToString(), deadline);
    if (Find(handle) == volume) held.push_back(volume->GiveUp());
  }
  return held;
}

Status FuseAttacher::TakeBack(std::vector<HeldVolume> volumes) {
  Status first;
  for (HeldVolume& volume : volumes) first.Update(Adopt(std::move(volume)));
  attached_.Lock()->given_up = false;
  return first;
}

void FuseAttacher::ForgetAll() {
  auto attached = attached_.Lock();
  attached->volumes.clear();
  attached.NotifyAll();
}

void FuseAttacher::KeepAll(const std::vector<std::string>& kept) {
  std::map<VolumeHandle, VolumePtr> volumes;
  {
    const auto attached = attached_.Lock();
    if (attached->given_up) return;
    volumes = attached->volumes;
  }
  std::set<std::string> others(kept.begin(), kept.end());
  for (const auto& [handle, volume] : volumes) {
    others.erase(handle.ToString());
    volume->Keep();
  }
  for (const std::string& other : others) options_.keeper->Forget(other);
}

void FuseAttacher::ReplaceProcesses() {
  std::map<VolumeHandle, VolumePtr> volumes = attached_.Lock()->volumes;
  for (const auto& [handle, volume] : volumes) {
    volume->ReplaceProcess(absl::Now() + kReplaceTimeout);
  }
}

void FuseAttacher::FollowKeyrings() {
  const std::map<VolumeHandle, CephUser> users = *users_.Lock();
  std::map<std::string, bool> accepted;  // by cluster, where it was tried
  for (const auto& [handle, user] : users) {
    const StatusOr<ClusterConfig> cluster = options_.clusters.Find(handle.cluster);
    // Half-written, perhaps: the next look may see more.
    if (!cluster.ok() || cluster->user == user) continue;
    const VolumePtr volume = Find(handle);
    if (volume == nullptr) continue;
    auto tried = accepted.find(handle.cluster);
    if (tried == accepted.end()) {
      tried = accepted.emplace(handle.cluster, IsAccepted(handle, *cluster)).first;
    }
    if (!tried->second) continue;
    options_.on_event(handle,
                      "the cluster's keyring has changed: an I/O process with the new key "
                      "takes over");
    volume->ReplaceProcess(absl::Now() + kReplaceTimeout);
  }
}

bool FuseAttacher::IsAccepted(const VolumeHandle& volume, const ClusterConfig& cluster) {
  const Status status = ProbeUser(
      options_.io_command, DescribeUser(volume, cluster, cluster.user, options_.connect_timeout_s),
      absl::Now() + kProbeTimeout);
  if (status.ok()) {
    refused_.erase(cluster.alias);
    return true;
  }
  const auto told = refused_.find(cluster.alias);
  if (told == refused_.end() || told->second != cluster.user) {
    refused_[cluster.alias] = cluster.user;
    options_.on_event(volume, fmt::format("the cluster's keyring has changed, and I/O goes on with "
                                          "the old key until the new one is accepted: {}",
                                          std::string(status.message())));
  }
  return false;
}

void FuseAttacher::RefuseAttach() { attached_.Lock()->refuse = true; }

bool FuseAttacher::WaitUntilEmpty(absl::Time deadline) {
  auto attached = attached_.Lock();
  return attached.WaitUntil(deadline, [&] { return attached->volumes.empty(); });
}

FuseAttacher::VolumePtr FuseAttacher::Find(const VolumeHandle& volume) {
  const auto attached = attached_.Lock();
  const auto found = attached->volumes.find(volume);
  return found == attached->volumes.end() ? nullptr : found->second;
}

void FuseAttacher::Forget(const VolumeHandle& volume) {
  VolumePtr forgotten;  // destroyed after the lock was released
  auto attached = attached_.Lock();
  const auto found = attached->volumes.find(volume);
  if (found == attached->volumes.end()) return;
  forgotten = std::move(found->second);
  attached->volumes.erase(found);
  users_.Lock()->erase(volume);
  if (options_.keeper != nullptr) options_.keeper->Forget(volume.ToString());
  attached.NotifyAll();
}

}  // namespace berth
