#include "rbd/data/attached_volume.h"

#include <utility>

#include "rbd/data/data_path_messages.h"
#include "rbd/data/fuse_mount.h"
#include "rbd/data/request_memory.h"

namespace berth {

AttachedVolume::AttachedVolume(const AttachRequest& request, Options options, std::vector<Fd> fuse,
                               Fd memory)
    : request_(request),
      supervisor_(SupervisorOptions(std::move(options)), std::move(fuse), std::move(memory)) {}

AttachedVolume::AttachedVolume(const AttachRequest& request, std::optional<LoopDevice> device,
                               Options options, HeldIo held)
    : request_(request),
      device_(Device{.loop = std::move(device)}),
      supervisor_(SupervisorOptions(std::move(options)), std::move(held)) {}

IoSupervisor::Options AttachedVolume::SupervisorOptions(Options options) {
  options.io.keep = [this, keep = std::move(options.keep)](const data::held::v1::Io& io,
                                                           const std::vector<int>& descriptors) {
    keep(Describe(io), descriptors);
  };
  options.io.on_resized = [this, on_event = options.io.on_event] {
    resizer_.Submit([this, on_event] { TakeSize(on_event); }).IgnoreError();
  };
  options.io.abort_connection = [this] { AbortConnection(); };
  return std::move(options.io);
}

// The loop device for this thread alone, if there is one; DEADLINE_EXCEEDED while another thread
// has it.
StatusOr<std::optional<LoopDevice>> AttachedVolume::Borrow(absl::Time deadline) {
  auto device = device_.Lock();
  if (!device.WaitUntil(deadline, [&] { return !device->borrowed; })) {
    return absl::DeadlineExceededError("the device is still taking its image's new size");
  }
  device->borrowed = true;
  return device->loop;
}

void AttachedVolume::GiveBack(std::optional<LoopDevice> loop) {
  auto device = device_.Lock();
  device->loop = std::move(loop);
  device->borrowed = false;
  device.NotifyAll();
}

void AttachedVolume::TakeSize(const std::function<void(const std::string&)>& on_event) {
  StatusOr<std::optional<LoopDevice>> loop = Borrow(absl::InfiniteFuture());
  if (!loop.ok()) return;
  const StatusOr<bool> changed = loop->has_value() ? (*loop)->TakeSize() : false;
  GiveBack(*std::move(loop));
  if (!changed.ok()) {
    on_event("the image has grown and the device has not: " +
             std::string(changed.status().message()));
  } else if (*changed) {
    on_event("the image has grown, and so has the device");
  }
}

// Without a device nobody waits for the connection. When it cannot be aborted, closing its
// descriptors does it, late perhaps.
void AttachedVolume::AbortConnection() {
  const auto device = device_.Lock();
  if (device->loop) AbortFuseConnection(device->loop->backing().device).IgnoreError();
}

data::held::v1::Volume AttachedVolume::Describe(const data::held::v1::Io& io) {
  data::held::v1::Volume volume;
  *volume.mutable_request() = ToMessage(request_);
  if (const auto device = device_.Lock(); device->loop) {
    data::held::v1::Device& message = *volume.mutable_device();
    message.set_path(device->loop->path());
    message.set_backing_device(device->loop->backing().device);
    message.set_backing_inode(device->loop->backing().inode);
  }
  *volume.mutable_io() = io;
  return volume;
}

StatusOr<std::unique_ptr<AttachedVolume>> AttachedVolume::Start(const AttachRequest& request,
                                                                Options options) {
  BERTH_ASSIGN_OR_RETURN(std::vector<Fd> fuse, OpenFuseDevices(options.readers));
  BERTH_ASSIGN_OR_RETURN(Fd memory, RequestMemory::MakeFile(fuse.size()));
  return std::unique_ptr<AttachedVolume>(
      new AttachedVolume(request, std::move(options), std::move(fuse), std::move(memory)));
}

StatusOr<std::unique_ptr<AttachedVolume>> AttachedVolume::Adopt(HeldVolume held, Options options) {
  BERTH_ASSIGN_OR_RETURN(const AttachRequest request, FromMessage(held.state.request()));
  std::optional<LoopDevice> device;
  if (held.state.has_device()) {
    const data::held::v1::Device& message = held.state.device();
    device = LoopDevice::Existing(
        message.path(), {.device = message.backing_device(), .inode = message.backing_inode()});
  }
  HeldIo io = {.state = std::move(*held.state.mutable_io()),
               .descriptors = std::move(held.descriptors)};
  return std::unique_ptr<AttachedVolume>(
      new AttachedVolume(request, std::move(device), std::move(options), std::move(io)));
}

HeldVolume AttachedVolume::GiveUp() {
  HeldIo io = supervisor_.GiveUp();
  return {.state = Describe(io.state), .descriptors = std::move(io.descriptors)};
}

Status AttachedVolume::Attach(absl::Time deadline) {
  if (device_.Lock()->loop) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(supervisor_.WaitUntilOpened(deadline));
  return MakeDevice(deadline);
}

// The device goes with this process until berth-node keeps what it lives by: else nobody would be
// left who could take it away.
Status AttachedVolume::MakeDevice(absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(NewLoopDevice device, ServeAsDevice(deadline));
  device_.Lock()->loop = device.device();
  BERTH_RETURN_IF_ERROR(supervisor_.ConfirmDevice());
  return device.Keep();
}

// The mount and the file are closed at the end of this, whatever happens: the loop device keeps the
// file, and without one the connection ends and the I/O process with it. Closing the file waits for
// the I/O process, and so does starting another program meanwhile, which closes its copy: so it
// must be over before a process that dies has to be replaced.
StatusOr<NewLoopDevice> AttachedVolume::ServeAsDevice(absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(const Fd mount, MountFuseFile(supervisor_.fuse()));
  supervisor_.Serve();
  BERTH_ASSIGN_OR_RETURN(const Fd file, OpenFuseFile(mount, read_only()));
  return LoopDevice::Attach(file, read_only(), deadline);
}

Status AttachedVolume::Detach(absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(std::optional<LoopDevice> loop, Borrow(deadline));
  const Status detached = loop ? loop->Detach() : absl::OkStatus();
  if (detached.ok()) loop.reset();
  GiveBack(std::move(loop));
  BERTH_RETURN_IF_ERROR(detached);
  supervisor_.Close();
  return supervisor_.WaitUntilGone(deadline);
}

bool AttachedVolume::IsGone() {
  return supervisor_.view().state == IoSupervisor::State::kGone && !device_.Lock()->loop;
}

Attachment AttachedVolume::view() {
  const IoSupervisor::View io = supervisor_.view();
  Attachment attachment;
  attachment.volume = volume();
  attachment.epoch = epoch();
  attachment.instance = io.instance;
  attachment.stalled = io.stalled;
  if (const auto device = device_.Lock(); device->loop) {
    attachment.device = device->loop->path();
  }
  switch (io.state) {
    case IoSupervisor::State::kOpening:
    case IoSupervisor::State::kOpened:
    case IoSupervisor::State::kServing:
    case IoSupervisor::State::kRecovering:
      attachment.healthy = !io.fenced;
      break;
    case IoSupervisor::State::kFailed:
    case IoSupervisor::State::kClosing:
    case IoSupervisor::State::kGone:
      attachment.healthy = false;
      break;
  }
  return attachment;
}

}  // namespace berth
