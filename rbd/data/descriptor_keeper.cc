#include "rbd/data/descriptor_keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "base/unix_socket.h"

namespace berth {
namespace {

using data::keeper::v1::Reply;
using data::keeper::v1::Request;

// A berth-data, its successor, and one that connects again before the end of its last connection
// was noticed.
constexpr size_t kMaxClients = 8;
constexpr absl::Duration kAnswerTimeout = absl::Seconds(5);

}  // namespace

std::string KeeperPath(const std::string& data_socket) { return data_socket + ".keeper"; }

StatusOr<std::unique_ptr<DescriptorKeeper>> DescriptorKeeper::Start(
    const std::string& data_socket) {
  BERTH_ASSIGN_OR_RETURN(Fd listener, ListenInPlace(KeeperPath(data_socket)));
  return std::unique_ptr<DescriptorKeeper>(new DescriptorKeeper(std::move(listener)));
}

DescriptorKeeper::DescriptorKeeper(Fd listener)
    : listener_(std::move(listener)), wake_(eventfd(0, EFD_CLOEXEC)), thread_([this] { Run(); }) {}

DescriptorKeeper::~DescriptorKeeper() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void DescriptorKeeper::Run() {
  for (;;) {
    std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const IoChannel& client : clients_) polled.push_back({client.fd(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // interrupted
    if (polled[0].revents != 0) return;
    std::vector<IoChannel> still;
    for (size_t i = 0; i < clients_.size(); ++i) {
      if (polled[i + 2].revents == 0 || Serve(clients_[i])) still.push_back(std::move(clients_[i]));
    }
    clients_ = std::move(still);
    if (polled[1].revents != 0) Accept();
  }
}

void DescriptorKeeper::Accept() {
  Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.valid()) return;
  if (clients_.size() >= kMaxClients) clients_.erase(clients_.begin());
  clients_.emplace_back(std::move(client));
}

bool DescriptorKeeper::Serve(const IoChannel& client) {
  Request request;
  std::vector<Fd> descriptors;
  if (!client.Receive(request, descriptors, absl::InfinitePast()).ok()) return false;
  switch (request.request_case()) {
    case Request::kKeep:
      kept_[request.keep().volume()] = {.state = request.keep().state(),
                                        .descriptors = std::move(descriptors)};
      return true;
    case Request::kForget:
      kept_.erase(request.forget().volume());
      return true;
    case Request::kList:
      return AnswerList(client);
    case Request::REQUEST_NOT_SET:  // of a newer version
      return true;
  }
  return true;
}

bool DescriptorKeeper::AnswerList(const IoChannel& client) {
  const absl::Time deadline = absl::Now() + kAnswerTimeout;
  for (const auto& [volume, kept] : kept_) {
    Reply reply;
    reply.mutable_kept()->set_volume(volume);
    reply.mutable_kept()->set_state(kept.state);
    std::vector<int> descriptors;
    for (const Fd& fd : kept.descriptors) descriptors.push_back(fd.get());
    if (!client.Send(reply, descriptors, deadline).ok()) return false;
  }
  Reply end;
  end.mutable_listed();
  return client.Send(end, {}, deadline).ok();
}

}  // namespace berth
