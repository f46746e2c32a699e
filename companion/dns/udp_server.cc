#include "companion/dns/udp_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/short_turns.h"
#include "companion/dns/sockets.h"

namespace berth::dns {
namespace {

constexpr size_t kBatch = 64;
constexpr int kBatchesBetweenLooks = 64;
constexpr int kReceiveBufferBytes = 4 << 20;
// No query is longer: a name of 255 bytes and EDNS options.
constexpr size_t kMaxQueryBytes = kMaxUdpPayloadBytes;
// Room for the address that a packet came to.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo));

// Where a packet came from, and to which of our addresses: what its answer needs.
struct Peer {
  sockaddr_storage address;
  socklen_t address_bytes = 0;
  alignas(cmsghdr) std::array<char, kControlBytes> control;
  size_t control_bytes = 0;
};

// The answer leaves from the address that was asked, by whichever interface leads to the client.
void ForgetInterface(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      reinterpret_cast<in_pktinfo*>(CMSG_DATA(part))->ipi_ifindex = 0;
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      auto* info = reinterpret_cast<in6_pktinfo*>(CMSG_DATA(part));
      if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
    }
  }
}

}  // namespace

class UdpServer::Worker {
 public:
  Worker(Fd socket, bool any_address, const Responder& responder, Forwarder* forwarder)
      : socket_(std::move(socket)),
        any_address_(any_address),
        responder_(responder),
        forwarder_(forwarder),
        slots_(std::make_unique<std::array<Slot, kBatch>>()) {
    for (size_t i = 0; i < kBatch; ++i) {
      Slot& slot = (*slots_)[i];
      slot.in_vector = {slot.in.data(), slot.in.size()};
      slot.out_vector = {slot.out.data(), 0};
    }
  }

  void Run(int stop_fd);
  const Counters& counters() const { return counters_; }

 private:
  struct Slot {
    Peer peer;
    std::array<char, kMaxQueryBytes> in;
    std::array<char, kMaxUdpPayloadBytes> out;
    iovec in_vector;
    iovec out_vector;
  };

  size_t Receive();
  void Answer(size_t received);
  void Forward(const Slot& slot, const Query& query, Responder::Reply& reply);
  void SendBatch(size_t count);
  void SendLate(Peer& peer, const UpstreamReply& reply);

  const Fd socket_;
  const bool any_address_;
  const Responder& responder_;
  Forwarder* const forwarder_;
  const std::unique_ptr<std::array<Slot, kBatch>> slots_;
  std::array<mmsghdr, kBatch> received_ = {};
  std::array<mmsghdr, kBatch> answers_ = {};
  Query query_;
  size_t rotation_ = 0;
  Counters counters_;
};

void UdpServer::Worker::Run(int stop_fd) {
  std::array<pollfd, 2> waited = {pollfd{socket_.get(), POLLIN, 0}, pollfd{stop_fd, POLLIN, 0}};
  while (true) {
    // Under load more has come meanwhile, so waiting is for when nothing has. Look for the end now
    // and then all the same.
    size_t received = 0;
    for (int batch = 0; batch < kBatchesBetweenLooks && (received = Receive()) > 0; ++batch) {
      Answer(received);
    }
    ::poll(waited.data(), waited.size(), received > 0 ? 0 : -1);
    if (waited[1].revents != 0) return;
  }
}

size_t UdpServer::Worker::Receive() {
  for (size_t i = 0; i < kBatch; ++i) {
    Slot& slot = (*slots_)[i];
    received_[i].msg_hdr = {&slot.peer.address,
                            sizeof(slot.peer.address),
                            &slot.in_vector,
                            1,
                            any_address_ ? slot.peer.control.data() : nullptr,
                            any_address_ ? slot.peer.control.size() : 0,
                            0};
  }
  const int count = ::recvmmsg(socket_.get(), received_.data(), kBatch, MSG_DONTWAIT, nullptr);
  return count > 0 ? static_cast<size_t>(count) : 0;
}

void UdpServer::Worker::Answer(size_t received) {
  Counters::Add(counters_.queries, received);
  size_t count = 0;
  for (size_t i = 0; i < received; ++i) {
    Slot& slot = (*slots_)[i];
    msghdr& message = received_[i].msg_hdr;
    if (any_address_) ForgetInterface(message);
    slot.peer.address_bytes = message.msg_namelen;
    slot.peer.control_bytes = message.msg_controllen;
    const bool cut = (message.msg_flags & MSG_TRUNC) != 0;
    Responder::Reply reply;
    if (!cut) {
      reply = responder_.Respond({{slot.in.data(), received_[i].msg_len},
                                  IpAddress::FromSocketAddress(slot.peer.address),
                                  Transport::kUdp,
                                  rotation_++},
                                 query_, slot.out);
    }
    if (reply.rate_limited) Counters::Add(counters_.rate_limited);
    switch (reply.kind) {
      case Responder::Reply::Kind::kDrop:
        if (!reply.rate_limited) Counters::Add(counters_.ignored);
        break;
      case Responder::Reply::Kind::kForward:
        Forward(slot, query_, reply);
        break;
      case Responder::Reply::Kind::kAnswer:
        counters_.CountAnswer(reply.rcode);
        slot.out_vector.iov_len = reply.size;
        answers_[count++].msg_hdr = {&slot.peer.address,
                                     slot.peer.address_bytes,
                                     &slot.out_vector,
                                     1,
                                     any_address_ ? slot.peer.control.data() : nullptr,
                                     slot.peer.control_bytes,
                                     0};
        break;
    }
  }
  SendBatch(count);
}

void UdpServer::Worker::SendBatch(size_t count) {
  for (size_t sent = 0; sent < count;) {
    const int result =
        ::sendmmsg(socket_.get(), answers_.data() + sent, static_cast<unsigned>(count - sent), 0);
    if (result > 0) {
      sent += static_cast<size_t>(result);
    } else if (errno != EINTR) {
      // This one cannot be sent (no route, a forged port 0); the next ones may.
      Counters::Add(counters_.send_errors);
      ++sent;
    }
  }
}

void UdpServer::Worker::Forward(const Slot& slot, const Query& query, Responder::Reply& reply) {
  Forwarder::Request request;
  request.so_far.assign(slot.out.data(), reply.size);
  request.name = std::move(reply.upstream_name);
  request.type = query.type;
  request.dnssec_ok = query.dnssec_ok;
  request.limit_bytes = PayloadLimit(query, Transport::kUdp);
  request.done = [this, peer = slot.peer](const UpstreamReply& upstream) mutable {
    SendLate(peer, upstream);
  };
  forwarder_->Submit(std::move(request));
}

// On the forwarder's thread.
void UdpServer::Worker::SendLate(Peer& peer, const UpstreamReply& reply) {
  if (reply.message.empty()) return;
  counters_.CountAnswer(reply.rcode);
  iovec out = {const_cast<char*>(reply.message.data()), reply.message.size()};
  const msghdr message = {&peer.address,
                          peer.address_bytes,
                          &out,
                          1,
                          any_address_ ? peer.control.data() : nullptr,
                          peer.control_bytes,
                          0};
  if (::sendmsg(socket_.get(), &message, MSG_DONTWAIT) < 0) Counters::Add(counters_.send_errors);
}

StatusOr<std::unique_ptr<UdpServer>> UdpServer::Start(const Options& options,
                                                      const Responder& responder,
                                                      Forwarder* forwarder) {
  std::unique_ptr<UdpServer> server(new UdpServer());
  server->address_ = options.address;
  server->stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!server->stop_.valid()) return ErrnoError(errno, "make an eventfd");
  for (size_t i = 0; i < options.workers; ++i) {
    BERTH_ASSIGN_OR_RETURN(Fd socket, BindSocket(SOCK_DGRAM, server->address_));
    if (i == 0) {
      BERTH_ASSIGN_OR_RETURN(server->address_, BoundAddress(socket));
    }
    SetOption(socket, SOL_SOCKET, SO_RCVBUF, kReceiveBufferBytes);
    server->workers_.push_back(
        std::make_unique<Worker>(std::move(socket), server->address_.any(), responder, forwarder));
  }
  for (const auto& worker : server->workers_) {
    server->threads_.emplace_back([raw = worker.get(), stop = server->stop_.get()] {
      TakeShortTurns();  // each question is little work, and somebody waits for it
      raw->Run(stop);
    });
  }
  return server;
}

void UdpServer::Stop() {
  const uint64_t one = 1;
  // Never read, so it stays readable for all threads.
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof(one));
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

UdpServer::~UdpServer() { Stop(); }

std::vector<const Counters*> UdpServer::counters() const {
  std::vector<const Counters*> all;
  for (const auto& worker : workers_) all.push_back(&worker->counters());
  return all;
}

}  // namespace berth::dns
