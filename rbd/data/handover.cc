#include "rbd/data/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "base/unix_socket.h"

namespace berth {
namespace {

using data::held::v1::HandoverReply;
using data::held::v1::HandoverRequest;

// Both sides are on this node, and a message is small.
constexpr absl::Duration kAnswerTimeout = absl::Seconds(10);
// Calls in progress, mostly on Ceph, that a hand-over waits for.
constexpr absl::Duration kCallsTimeout = absl::Seconds(5);
// Replacing an I/O process takes a fraction of a second; an outage of Ceph may last.
constexpr absl::Duration kDoneTimeout = absl::Minutes(10);
// A predecessor that just starts or ends is asked again this soon.
constexpr absl::Duration kAskAgain = absl::Milliseconds(20);

std::string HandoverPath(const std::string& data_socket) { return data_socket + ".handover"; }

StatusOr<Fd> OpenLock(const std::string& data_socket) {
  const std::string path = data_socket + ".lock";
  Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (lock.valid()) return lock;
  return absl::FailedPreconditionError(
      fmt::format("cannot make {}: its directory must exist and be writable", path));
}

StatusOr<bool> TryLock(const Fd& lock) {
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  return ErrnoError(errno, "lock the file that only one berth-data may lock");
}

// Everything that the predecessor has; nothing is ours before we have answered `taken`.
StatusOr<Takeover> AskPredecessor(const std::string& data_socket, const std::string& version,
                                  absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(Fd socket, ConnectSocket(HandoverPath(data_socket)));
  Takeover takeover;
  takeover.predecessor.emplace(std::move(socket));
  HandoverRequest take;
  take.mutable_take()->set_version(version);
  BERTH_RETURN_IF_ERROR(takeover.predecessor->Send(take));
  for (;;) {
    HandoverReply reply;
    std::vector<Fd> descriptors;
    BERTH_RETURN_IF_ERROR(takeover.predecessor->Receive(reply, descriptors, deadline));
    if (reply.has_volume()) {
      takeover.volumes.push_back(
          {.state = std::move(*reply.mutable_volume()), .descriptors = std::move(descriptors)});
    } else if (reply.has_all()) {
      if (descriptors.size() != 1 || takeover.volumes.size() != reply.all().volumes()) {
        return absl::DataLossError("the berth-data that serves did not hand everything over");
      }
      takeover.lock = std::move(descriptors.front());
      HandoverRequest taken;
      taken.mutable_taken();
      BERTH_RETURN_IF_ERROR(takeover.predecessor->Send(taken));
      return takeover;
    }
  }
}

}  // namespace

StatusOr<Takeover> TakeOver(const std::string& data_socket, const std::string& version,
                            absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(Fd lock, OpenLock(data_socket));
  Status status;
  do {
    BERTH_ASSIGN_OR_RETURN(const bool locked, TryLock(lock));
    if (locked) {
      Takeover first;
      first.lock = std::move(lock);
      return first;
    }
    StatusOr<Takeover> takeover = AskPredecessor(data_socket, version, deadline);
    if (takeover.ok()) return takeover;
    status = takeover.status();
    absl::SleepFor(kAskAgain);  // nothing tells when a file's lock is given back
  } while (absl::Now() < deadline);
  return absl::UnavailableError(fmt::format(
      "another berth-data looks after this node's volumes and does not hand them over: {}",
      std::string(status.message())));
}

void SendDone(const IoChannel& predecessor) {
  HandoverRequest done;
  done.mutable_done();
  predecessor.Send(done).IgnoreError();
}

StatusOr<std::unique_ptr<HandoverServer>> HandoverServer::Start(Options options,
                                                                FuseAttacher& attacher,
                                                                const Fd& lock) {
  BERTH_ASSIGN_OR_RETURN(Fd listener, ListenInPlace(HandoverPath(options.data_socket)));
  return std::unique_ptr<HandoverServer>(
      new HandoverServer(std::move(options), attacher, lock, std::move(listener)));
}

HandoverServer::HandoverServer(Options options, FuseAttacher& attacher, const Fd& lock, Fd listener)
    : options_(std::move(options)),
      attacher_(attacher),
      lock_(lock),
      listener_(std::move(listener)),
      wake_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

HandoverServer::~HandoverServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void HandoverServer::Run() {
  for (;;) {
    std::array<pollfd, 2> polled = {{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // interrupted
    if (polled[0].revents != 0) return;
    Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) continue;
    if (Serve(IoChannel(std::move(connection)))) return options_.on_done();
  }
}

bool HandoverServer::Serve(const IoChannel& successor) {
  HandoverRequest request;
  std::vector<Fd> none;
  if (!successor.Receive(request, none, absl::Now() + kAnswerTimeout).ok() || !request.has_take()) {
    return false;
  }
  options_.on_event(fmt::format("handing over to berth-data {}", request.take().version()));
  std::vector<HeldVolume> volumes = attacher_.GiveUpAll(absl::Now() + kCallsTimeout);
  Status status = GiveAll(successor, volumes);
  if (status.ok()) status = AwaitTaken(successor);
  if (!status.ok()) {
    options_.on_event(fmt::format("it did not take over, so this one goes on: {}",
                                  std::string(status.message())));
    if (const Status back = attacher_.TakeBack(std::move(volumes)); !back.ok()) {
      options_.on_event(std::string(back.message()));
    }
    return false;
  }
  // These descriptors are the successor's now; ours stay open until it needs us no more, so that
  // nothing depends on how soon it has made itself at home.
  const Status done = successor.Receive(request, none, absl::Now() + kDoneTimeout);
  options_.on_event(done.ok() ? fmt::format("handed over {} volumes", volumes.size())
                              : "the successor has taken over, and was not heard of again");
  attacher_.ForgetAll();
  return true;
}

Status HandoverServer::GiveAll(const IoChannel& successor, const std::vector<HeldVolume>& volumes) {
  const absl::Time deadline = absl::Now() + kAnswerTimeout;
  for (const HeldVolume& volume : volumes) {
    HandoverReply reply;
    *reply.mutable_volume() = volume.state;
    std::vector<int> descriptors;
    for (const Fd& fd : volume.descriptors) descriptors.push_back(fd.get());
    BERTH_RETURN_IF_ERROR(successor.Send(reply, descriptors, deadline));
  }
  HandoverReply all;
  all.mutable_all()->set_volumes(static_cast<uint32_t>(volumes.size()));
  return successor.Send(all, {lock_.get()}, deadline);
}

// In the end it is certain whether the successor has said it: after RefuseMore it cannot any more.
Status HandoverServer::AwaitTaken(const IoChannel& successor) {
  HandoverRequest request;
  std::vector<Fd> none;
  Status status = successor.Receive(request, none, absl::Now() + kAnswerTimeout);
  if (absl::IsDeadlineExceeded(status)) {
    successor.RefuseMore();
    status = successor.Receive(request, none, absl::Now() + kAnswerTimeout);
  }
  if (status.ok() && !request.has_taken()) {
    return absl::DataLossError("the successor answered something else than that it has taken over");
  }
  return status;
}

}  // namespace berth
