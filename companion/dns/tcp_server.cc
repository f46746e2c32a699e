#include "companion/dns/tcp_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/time/clock.h"
#include "companion/dns/sockets.h"

namespace berth::dns {
namespace {

constexpr uint64_t kListener = 0;
constexpr uint64_t kWake = 1;
constexpr size_t kLengthBytes = 2;
// No query is longer: a name of 255 bytes and EDNS options.
constexpr size_t kMaxQueryBytes = 4096;
// Beyond these a client that does not take its answers is not read any more.
constexpr size_t kMaxUnsentBytes = 128 << 10;
constexpr size_t kMaxWaiting = 32;
constexpr int kBacklog = 128;

void Wake(const Fd& wake) {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the descriptor is readable already.
  [[maybe_unused]] const ssize_t written = ::write(wake.get(), &one, sizeof(one));
}

void Watch(const Fd& epoll, int operation, const Fd& fd, uint64_t id, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = id;
  ::epoll_ctl(epoll.get(), operation, fd.get(), &event);
}

size_t MessageBytes(std::string_view in) {
  return static_cast<size_t>(static_cast<unsigned char>(in[0])) << 8 |
         static_cast<unsigned char>(in[1]);
}

}  // namespace

StatusOr<std::unique_ptr<TcpServer>> TcpServer::Start(const Options& options,
                                                      const Responder& responder,
                                                      Forwarder* forwarder) {
  std::unique_ptr<TcpServer> server(new TcpServer(options, responder, forwarder));
  BERTH_RETURN_IF_ERROR(server->Listen());
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

TcpServer::TcpServer(const Options& options, const Responder& responder, Forwarder* forwarder)
    : options_(options),
      responder_(responder),
      forwarder_(forwarder),
      late_(std::make_shared<Synchronized<Late>>()),
      answer_(std::make_unique<char[]>(kMaxTcpPayloadBytes)) {}

Status TcpServer::Listen() {
  BERTH_ASSIGN_OR_RETURN(listener_, BindSocket(SOCK_STREAM, options_.address));
  BERTH_ASSIGN_OR_RETURN(address_, BoundAddress(listener_));
  if (::listen(listener_.get(), kBacklog) != 0) {
    return ErrnoError(errno, "listen on tcp " + address_.Text());
  }
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = std::make_shared<const Fd>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_->valid()) return ErrnoError(errno, "make an epoll and an eventfd");
  Watch(epoll_, EPOLL_CTL_ADD, listener_, kListener, EPOLLIN);
  Watch(epoll_, EPOLL_CTL_ADD, *wake_, kWake, EPOLLIN);
  return absl::OkStatus();
}

void TcpServer::Stop() {
  ending_ = true;
  if (wake_ != nullptr) Wake(*wake_);
  if (thread_.joinable()) thread_.join();
}

TcpServer::~TcpServer() { Stop(); }

void TcpServer::Run() {
  std::array<epoll_event, 64> events;
  while (!ending_) {
    const absl::Time until = CloseIdle(absl::Now());
    const int64_t left_ms =
        until == absl::InfiniteFuture()
            ? -1
            : absl::ToInt64Milliseconds(absl::Ceil(until - absl::Now(), absl::Milliseconds(1)));
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                                   static_cast<int>(std::max<int64_t>(left_ms, -1)));
    const absl::Time now = absl::Now();
    for (int i = 0; i < count; ++i) {
      switch (events[i].data.u64) {
        case kListener:
          Accept(now);
          break;
        case kWake:
          DeliverLate(now);
          break;
        default:
          Serve(events[i].data.u64, events[i].events, now);
      }
    }
  }
  while (!connections_.empty()) Close(connections_.begin()->first);
}

void TcpServer::Accept(absl::Time now) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  Fd socket(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                      SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    // Out of descriptors: the listener stays readable, so make room instead of spinning.
    if ((errno == EMFILE || errno == ENFILE) && !order_.empty()) Close(order_.front());
    return;
  }
  if (connections_.size() >= options_.max_connections) Close(order_.front());
  SetOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  const uint64_t id = ++last_id_;
  Connection& connection = connections_[id];
  connection.socket = std::move(socket);
  connection.client = IpAddress::FromSocketAddress(address);
  connection.events = EPOLLIN;
  connection.last_used = now;
  connection.in_order = order_.insert(order_.end(), id);
  open_ = connections_.size();
  Watch(epoll_, EPOLL_CTL_ADD, connection.socket, id, connection.events);
}

void TcpServer::Serve(uint64_t id, uint32_t events, absl::Time now) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;  // closed by an earlier event
  Connection& connection = found->second;
  const bool broken = (events & EPOLLERR) != 0;
  const bool can_read = (events & (EPOLLIN | EPOLLHUP)) != 0;
  if (broken || (can_read && !Read(connection))) return Close(id);
  Touch(id, connection, now);
  if (!Continue(id, connection)) Close(id);
}

// False when the connection broke.
bool TcpServer::Read(Connection& connection) {
  if (connection.in.size() >= kLengthBytes + kMaxQueryBytes) return true;
  std::array<char, kLengthBytes + kMaxQueryBytes> bytes;
  const ssize_t size = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) connection.finished = true;
  connection.in.append(bytes.data(), static_cast<size_t>(size));
  return true;
}

bool TcpServer::Continue(uint64_t id, Connection& connection) {
  AnswerQueries(id, connection);
  if (!Write(connection)) return false;
  const bool too_long =
      connection.in.size() >= kLengthBytes && MessageBytes(connection.in) > kMaxQueryBytes;
  if (too_long) return false;
  if (connection.finished && connection.out.empty() && connection.waiting == 0) return false;
  const bool may_read = !connection.finished && connection.waiting < kMaxWaiting &&
                        connection.out.size() < kMaxUnsentBytes;
  const uint32_t events = (may_read ? EPOLLIN : 0U) | (connection.out.empty() ? 0U : EPOLLOUT);
  if (events != connection.events) {
    connection.events = events;
    Watch(epoll_, EPOLL_CTL_MOD, connection.socket, id, events);
  }
  return true;
}

void TcpServer::AnswerQueries(uint64_t id, Connection& connection) {
  std::string_view rest = connection.in;
  while (rest.size() >= kLengthBytes && connection.waiting < kMaxWaiting &&
         connection.out.size() < kMaxUnsentBytes) {
    const size_t size = MessageBytes(rest);
    if (size > kMaxQueryBytes || rest.size() - kLengthBytes < size) break;
    AnswerOne(id, connection, rest.substr(kLengthBytes, size));
    rest.remove_prefix(kLengthBytes + size);
  }
  connection.in.erase(0, connection.in.size() - rest.size());
}

void TcpServer::AnswerOne(uint64_t id, Connection& connection, std::string_view packet) {
  Counters::Add(counters_.queries);
  Responder::Reply reply =
      responder_.Respond({packet, connection.client, Transport::kTcp, rotation_++}, query_,
                         {answer_.get(), kMaxTcpPayloadBytes});
  switch (reply.kind) {
    case Responder::Reply::Kind::kDrop:
      Counters::Add(counters_.ignored);
      break;
    case Responder::Reply::Kind::kAnswer:
      counters_.CountAnswer(reply.rcode);
      Enqueue(connection, {answer_.get(), reply.size});
      break;
    case Responder::Reply::Kind::kForward: {
      Forwarder::Request request;
      request.so_far.assign(answer_.get(), reply.size);
      request.name = std::move(reply.upstream_name);
      request.type = query_.type;
      request.dnssec_ok = query_.dnssec_ok;
      request.limit_bytes = kMaxTcpPayloadBytes;
      request.done = [late = late_, wake = wake_, id](UpstreamReply upstream) {
        late->Lock()->replies.emplace_back(id, std::move(upstream));
        Wake(*wake);
      };
      ++connection.waiting;
      forwarder_->Submit(std::move(request));
      break;
    }
  }
}

void TcpServer::Enqueue(Connection& connection, std::string_view message) {
  connection.out.push_back(static_cast<char>(message.size() >> 8));
  connection.out.push_back(static_cast<char>(message.size()));
  connection.out.append(message);
  unsent_bytes_ += kLengthBytes + message.size();
}

// False when the connection broke, or holds up too much.
bool TcpServer::Write(Connection& connection) {
  size_t sent = 0;
  while (sent < connection.out.size()) {
    const ssize_t size = ::send(connection.socket.get(), connection.out.data() + sent,
                                connection.out.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) return false;
    if (size < 0) break;
    sent += static_cast<size_t>(size);
  }
  connection.out.erase(0, sent);
  unsent_bytes_ -= sent;
  // A long answer's memory is not kept for the next one, which may never come.
  if (connection.out.empty()) connection.out.shrink_to_fit();
  return connection.out.empty() || unsent_bytes_ <= options_.max_unsent_bytes;
}

void TcpServer::DeliverLate(absl::Time now) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(wake_->get(), &count, sizeof(count));
  std::vector<std::pair<uint64_t, UpstreamReply>> replies;
  std::swap(replies, late_->Lock()->replies);
  for (const auto& [id, reply] : replies) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    Connection& connection = found->second;
    --connection.waiting;
    if (!reply.message.empty()) {
      counters_.CountAnswer(reply.rcode);
      Enqueue(connection, reply.message);
    }
    Touch(id, connection, now);
    if (!Continue(id, connection)) Close(id);
  }
}

void TcpServer::Touch(uint64_t id, Connection& connection, absl::Time now) {
  connection.last_used = now;
  order_.erase(connection.in_order);
  connection.in_order = order_.insert(order_.end(), id);
}

void TcpServer::Close(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  unsent_bytes_ -= found->second.out.size();
  order_.erase(found->second.in_order);
  connections_.erase(found);
  open_ = connections_.size();
}

absl::Time TcpServer::CloseIdle(absl::Time now) {
  while (!order_.empty()) {
    const absl::Time until = connections_.at(order_.front()).last_used + options_.idle_timeout;
    if (until > now) return until;
    Close(order_.front());
  }
  return absl::InfiniteFuture();
}

}  // namespace berth::dns
