#include "companion/dns/testing/upstream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "companion/dns/ldns.h"
#include "companion/dns/sockets.h"
#include "companion/dns/testing/unused_address.h"

namespace berth::dns {
namespace {

// True when `fd` is readable, false when it is time to stop.
bool Await(const Fd& fd, const Fd& stop) {
  std::array<pollfd, 2> waited = {pollfd{fd.get(), POLLIN, 0}, pollfd{stop.get(), POLLIN, 0}};
  ::poll(waited.data(), waited.size(), -1);
  return waited[1].revents == 0;
}

}  // namespace

TestUpstream::TestUpstream(Answer answer)
    : answer_(std::move(answer)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  address_ = UnusedAddress();
  udp_ = *BindSocket(SOCK_DGRAM, address_);
  tcp_ = *BindSocket(SOCK_STREAM, address_);
  ::listen(tcp_.get(), 16);
  udp_thread_ = std::thread([this] { RunUdp(); });
  tcp_thread_ = std::thread([this] { RunTcp(); });
}

TestUpstream::~TestUpstream() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof(one));
  udp_thread_.join();
  tcp_thread_.join();
}

void TestUpstream::RunUdp() {
  while (Await(udp_, stop_)) {
    std::array<char, 4096> packet;
    sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    const ssize_t size = ::recvfrom(udp_.get(), packet.data(), packet.size(), 0,
                                    reinterpret_cast<sockaddr*>(&peer), &peer_size);
    if (size < 0) continue;
    const std::string reply = answer_({packet.data(), static_cast<size_t>(size)}, false);
    if (reply.empty()) continue;
    ::sendto(udp_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer),
             peer_size);
  }
}

void TestUpstream::RunTcp() {
  while (Await(tcp_, stop_)) {
    const Fd client(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) continue;
    std::array<char, 4096> packet;
    const ssize_t size = ::recv(client.get(), packet.data(), packet.size(), 0);
    if (size < 2) continue;
    const std::string reply = answer_({packet.data() + 2, static_cast<size_t>(size) - 2}, true);
    const std::string framed =
        std::string{static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size())} + reply;
    ::send(client.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }
}

std::string MakeUpstreamAnswer(const std::string& query, const std::vector<std::string>& records,
                               int rcode, bool truncated) {
  ldns_pkt* packet = nullptr;
  if (ldns_wire2pkt(&packet, reinterpret_cast<const uint8_t*>(query.data()), query.size()) !=
      LDNS_STATUS_OK) {
    return "";
  }
  ldns_pkt_set_qr(packet, true);
  ldns_pkt_set_ra(packet, true);
  ldns_pkt_set_tc(packet, truncated);
  ldns_pkt_set_rcode(packet, static_cast<uint8_t>(rcode));
  for (const std::string& record : records) {
    ldns_rr* rr = nullptr;
    if (ldns_rr_new_frm_str(&rr, record.c_str(), 0, nullptr, nullptr) == LDNS_STATUS_OK) {
      ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER, rr);
    }
  }
  uint8_t* bytes = nullptr;
  size_t size = 0;
  std::string wire;
  if (ldns_pkt2wire(&bytes, packet, &size) == LDNS_STATUS_OK) {
    wire.assign(reinterpret_cast<const char*>(bytes), size);
    LDNS_FREE(bytes);
  }
  ldns_pkt_free(packet);
  return wire;
}

}  // namespace berth::dns
