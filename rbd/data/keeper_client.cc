#include "rbd/data/keeper_client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/time/clock.h"
#include "base/unix_socket.h"
#include "rbd/data/descriptor_keeper.h"
#include "rbd/data/loop_device.h"

namespace berth {
namespace {

using data::keeper::v1::Reply;
using data::keeper::v1::Request;

constexpr absl::Duration kReconnect = absl::Milliseconds(200);
constexpr absl::Duration kSendTimeout = absl::Seconds(1);
constexpr absl::Duration kListTimeout = absl::Seconds(5);

// False when the FUSE connection has ended, and so the device is gone or something else by now.
bool IsAttached(const HeldVolume& volume) {
  const data::held::v1::Device& device = volume.state.device();
  if (volume.state.io().fuse_descriptors() > 0) {
    if (volume.descriptors.empty()) return false;
    pollfd polled = {volume.descriptors.front().get(), POLLIN, 0};
    if (poll(&polled, 1, 0) < 0 || (polled.revents & POLLERR) != 0) return false;
  }
  const LoopDevice loop = LoopDevice::Existing(
      device.path(), {.device = device.backing_device(), .inode = device.backing_inode()});
  return loop.IsAttached().value_or(false);
}

StatusOr<std::vector<HeldVolume>> List(const IoChannel& channel, absl::Time deadline) {
  Request request;
  request.mutable_list();
  BERTH_RETURN_IF_ERROR(channel.Send(request, {}, deadline));
  std::vector<HeldVolume> volumes;
  for (;;) {
    Reply reply;
    HeldVolume held;
    BERTH_RETURN_IF_ERROR(channel.Receive(reply, held.descriptors, deadline));
    if (reply.has_listed()) return volumes;
    if (!held.state.ParseFromString(reply.kept().state())) {
      return absl::DataLossError("berth-node keeps something that is no volume");
    }
    volumes.push_back(std::move(held));
  }
}

// The descriptors that come along are closed at once: held any longer, they would keep the FUSE
// connection and the request memory of a volume that is detached meanwhile.
StatusOr<std::vector<std::string>> ListNames(const IoChannel& channel, absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<HeldVolume> kept, List(channel, deadline));
  std::vector<std::string> names;
  for (const HeldVolume& volume : kept) names.push_back(volume.state.request().volume());
  return names;
}

}  // namespace

StatusOr<std::vector<HeldVolume>> FetchKept(const std::string& data_socket, absl::Time deadline) {
  StatusOr<Fd> socket = ConnectSocket(KeeperPath(data_socket));
  if (absl::IsUnavailable(socket.status())) return std::vector<HeldVolume>();
  if (!socket.ok()) return socket.status();
  BERTH_ASSIGN_OR_RETURN(std::vector<HeldVolume> volumes,
                         List(IoChannel(*std::move(socket)), deadline));
  std::erase_if(volumes, [](const HeldVolume& volume) { return !IsAttached(volume); });
  return volumes;
}

KeeperClient::KeeperClient(const std::string& data_socket)
    : path_(KeeperPath(data_socket)), wake_(eventfd(0, EFD_CLOEXEC)) {}

KeeperClient::~KeeperClient() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void KeeperClient::Start(OnConnected on_connected) {
  thread_ = std::thread([this, on_connected = std::move(on_connected)] { Run(on_connected); });
}

void KeeperClient::Run(const OnConnected& on_connected) {
  for (;;) {
    if (StatusOr<Fd> socket = ConnectSocket(path_); socket.ok()) {
      IoChannel channel(*std::move(socket));
      const int fd = channel.fd();
      if (const auto kept = ListNames(channel, absl::Now() + kListTimeout); kept.ok()) {
        *channel_.Lock() = std::move(channel);
        on_connected(*kept);
        // It never speaks unasked: what can be read now is its end.
        if (WaitForEnd(fd, absl::InfiniteDuration())) return;
        channel_.Lock()->reset();
      }
    }
    if (WaitForEnd(-1, kReconnect)) return;
  }
}

bool KeeperClient::WaitForEnd(int fd, absl::Duration timeout) const {
  std::array<pollfd, 2> polled = {{{wake_.get(), POLLIN, 0}, {fd, POLLIN, 0}}};
  const int timeout_ms = timeout == absl::InfiniteDuration()
                             ? -1
                             : static_cast<int>(absl::ToInt64Milliseconds(timeout));
  poll(polled.data(), polled.size(), timeout_ms);
  return polled[0].revents != 0;
}

template <typename Message>
void KeeperClient::Send(const Message& message, const std::vector<int>& descriptors) {
  const auto channel = channel_.Lock();
  if (!channel->has_value()) return;
  // The connection is closed by the thread, which hears of this as of its end.
  if (!(*channel)->Send(message, descriptors, absl::Now() + kSendTimeout).ok()) {
    shutdown((*channel)->fd(), SHUT_RDWR);
  }
}

void KeeperClient::Keep(const data::held::v1::Volume& volume, const std::vector<int>& descriptors) {
  Request request;
  request.mutable_keep()->set_volume(volume.request().volume());
  request.mutable_keep()->set_state(volume.SerializeAsString());
  Send(request, descriptors);
}

void KeeperClient::Forget(const std::string& volume) {
  Request request;
  request.mutable_forget()->set_volume(volume);
  Send(request, {});
}

}  // namespace berth
