#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "base/worker_pool.h"
#include "rbd/attacher.h"
#include "rbd/data/held_volume.h"
#include "rbd/data/io_supervisor.h"
#include "rbd/data/loop_device.h"

namespace berth {

// One attached volume and everything that belongs to it: the descriptors of its FUSE connection and
// its I/O process (IoSupervisor draws their states), and its loop device. Attach and Detach are
// called by one thread at a time; view is thread-safe.
class AttachedVolume {
 public:
  struct Options {
    // command, make_open and on_event; the others are this object's own.
    IoSupervisor::Options io;
    // How many descriptors, and so threads, read requests.
    size_t readers = 2;
    // Somebody else is to keep these from now on; see IoSupervisor::Options::keep.
    std::function<void(const data::held::v1::Volume&, const std::vector<int>&)> keep;
  };

  // Begins to open the image. FAILED_PRECONDITION when this node cannot do FUSE.
  static StatusOr<std::unique_ptr<AttachedVolume>> Start(const AttachRequest& request,
                                                         Options options);

  // Goes on with what another AttachedVolume gave up, also one of another process.
  // INVALID_ARGUMENT when `held` does not name a volume.
  static StatusOr<std::unique_ptr<AttachedVolume>> Adopt(HeldVolume held, Options options);

  const VolumeHandle& volume() const { return request_.volume; }
  uint64_t epoch() const { return request_.epoch; }
  bool read_only() const { return request_.read_only; }

  // Waits for the image and makes a device of it, if there is none yet. DEADLINE_EXCEEDED: it goes
  // on; call again. Any other error: this volume is only good for Detach.
  Status Attach(absl::Time deadline);

  // Drops the device and waits until the image is closed. FAILED_PRECONDITION while it is in use:
  // nothing has changed then. DEADLINE_EXCEEDED: the device is gone and the image not yet closed;
  // call again.
  Status Detach(absl::Time deadline);

  // Brings in an I/O process of this program's version, if it has a device; I/O waits meanwhile. By
  // `deadline` at the latest it returns.
  void ReplaceProcess(absl::Time deadline) { supervisor_.Replace(deadline); }

  // What another AttachedVolume needs to go on; device and I/O do not notice. Call once, while no
  // other call is on the way; this one is good for nothing then.
  HeldVolume GiveUp();

  // Has somebody else keep its descriptors once more.
  void Keep() { supervisor_.Keep(); }

  // Nothing of it is left: neither device nor process.
  bool IsGone();
  Attachment view();

 private:
  AttachedVolume(const AttachRequest& request, Options options, std::vector<Fd> fuse, Fd memory);
  AttachedVolume(const AttachRequest& request, std::optional<LoopDevice> device, Options options,
                 HeldIo held);
  IoSupervisor::Options SupervisorOptions(Options options);
  data::held::v1::Volume Describe(const data::held::v1::Io& io);
  void AbortConnection();
  void TakeSize(const std::function<void(const std::string&)>& on_event);
  StatusOr<std::optional<LoopDevice>> Borrow(absl::Time deadline);
  void GiveBack(std::optional<LoopDevice> device);
  Status MakeDevice(absl::Time deadline);
  StatusOr<NewLoopDevice> ServeAsDevice(absl::Time deadline);

  // Calls upon a loop device may wait for I/O, and so for the supervisor's thread, which starts
  // processes and needs this lock. So nobody makes such a call with the lock held: it borrows.
  struct Device {
    std::optional<LoopDevice> loop;
    bool borrowed = false;
  };

  const AttachRequest request_;
  Synchronized<Device> device_;
  WorkerPool resizer_{1, 1};  // one more that waits will see the newest size
  IoSupervisor supervisor_;
};

}  // namespace berth
