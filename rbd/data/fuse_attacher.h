#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/keyed_guard.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/attacher.h"
#include "rbd/cluster_directory.h"
#include "rbd/data/attached_volume.h"
#include "rbd/data/keeper_client.h"

namespace berth {

// Attaches images through librbd, FUSE and a loop device: it needs no kernel module that
// distributions leave out. The process that holds it never uses librados itself: each image is
// served by an I/O process of its own. Calls for one volume wait for each other within their
// deadlines (ABORTED when it passes there).
class FuseAttacher final : public Attacher {
 public:
  struct Options {
    ClusterDirectory clusters;
    std::vector<std::string> io_command = {"/proc/self/exe", "io"};
    // Threads, each with a queue of its own, that read one image's requests.
    size_t readers = 2;
    // Requests in flight are replayed from memory even where the kernel could send them again.
    bool replay = false;
    // How long an I/O process tries to connect to Ceph before it says so.
    uint32_t connect_timeout_s = 30;
    // Where I/O processes put their instance files (instance_file.h); empty: nowhere.
    std::string instance_files = {};
    // What happened to an attachment that no caller asked for, for the log. Any thread.
    std::function<void(const VolumeHandle&, const std::string&)> on_event;
    // Where copies of the descriptors are kept, so that they outlive this process; it must outlive
    // the attacher. Null: nowhere.
    KeeperClient* keeper = nullptr;
  };

  explicit FuseAttacher(Options options) : options_(std::move(options)) {}

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override;
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override;

  // Goes on with a volume that another process attached; before anybody calls. INVALID_ARGUMENT
  // when `held` does not say which.
  Status Adopt(HeldVolume held);

  // Stops looking after all volumes, and returns what another process needs to go on with them;
  // devices and I/O do not notice. Calls in progress are waited for until `deadline`, and go on in
  // the other process when they are repeated; every later call answers UNAVAILABLE.
  std::vector<HeldVolume> GiveUpAll(absl::Time deadline);
  // After GiveUpAll, when the other process could not take them: as it was.
  Status TakeBack(std::vector<HeldVolume> volumes);
  // After GiveUpAll, when the other process has them: nothing is attached here any more.
  void ForgetAll();

  // Has the keeper keep everything that is attached, and forget whatever else it keeps.
  void KeepAll(const std::vector<std::string>& kept);

  // Brings in an I/O process of this program's version for each volume, one after another.
  void ReplaceProcesses();

  // Looks whether the keyring of a cluster holds another user or key than the one with which an
  // image of it is served, and brings in an I/O process that uses it, for one volume after another
  // and after a trial: what Ceph does not accept changes nothing and is told once. Ceph renews a
  // client's tickets by its key, so the old one must not be relied on for longer than they last.
  // Volumes attached with a user from a request's secrets keep it. Call it every so often.
  void FollowKeyrings();

  // From now on Attach answers UNAVAILABLE; what is attached stays so and can be detached.
  void RefuseAttach();
  // True once nothing is attached or being attached.
  bool WaitUntilEmpty(absl::Time deadline);

 private:
  using VolumePtr = std::shared_ptr<AttachedVolume>;
  struct Attached {
    std::map<VolumeHandle, VolumePtr> volumes;
    bool refuse = false;
    bool given_up = false;
  };

  VolumePtr Find(const VolumeHandle& volume);
  // The volume as far as it is attached already, or begun anew.
  StatusOr<VolumePtr> FindOrStart(const AttachRequest& request, absl::Time deadline);
  StatusOr<VolumePtr> Start(const AttachRequest& request);
  AttachedVolume::Options VolumeOptions(const AttachRequest& request);
  StatusOr<data::io::v1::Open> MakeOpen(const AttachRequest& request);
  bool IsAccepted(const VolumeHandle& volume, const ClusterConfig& cluster);
  Status CheckOurs();
  void Forget(const VolumeHandle& volume);

  const Options options_;
  KeyedGuard guard_;
  Synchronized<Attached> attached_;
  // Who the newest I/O process of a volume was told to be, where the keyring said so.
  Synchronized<std::map<VolumeHandle, CephUser>> users_;
  // What FollowKeyrings has told to be refused, by cluster. Its own.
  std::map<std::string, CephUser> refused_;
};

}  // namespace berth
