#include "companion/dns/testing/dns_message.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/fd.h"
#include "companion/dns/ip_address.h"
#include "companion/dns/ldns.h"

namespace berth::dns {
namespace {

std::string Wire(ldns_pkt* packet) {
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

std::vector<std::string> Texts(const ldns_rr_list* list) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    char* raw = ldns_rr2str(ldns_rr_list_rr(list, i));
    std::string text(raw);
    LDNS_FREE(raw);
    std::replace(text.begin(), text.end(), '\t', ' ');
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

Fd Connected(int kind, uint16_t port) {
  Fd fd(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
  socklen_t size = 0;
  const sockaddr_storage address =
      SocketAddress{*IpAddress::Parse("127.0.0.1"), port}.ForSocket(size);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return Fd();
  return fd;
}

bool Readable(const Fd& fd, int timeout_ms) {
  pollfd waited{fd.get(), POLLIN, 0};
  return ::poll(&waited, 1, timeout_ms) == 1;
}

}  // namespace

std::string MakeQuery(const std::string& name, uint16_t type, const QueryOptions& options) {
  ldns_pkt* packet =
      ldns_pkt_query_new(ldns_dname_new_frm_str(name.c_str()), static_cast<ldns_rr_type>(type),
                         LDNS_RR_CLASS_IN, options.recursion_desired ? LDNS_RD : 0);
  ldns_pkt_set_id(packet, options.id);
  if (options.edns_udp_bytes != 0) ldns_pkt_set_edns_udp_size(packet, options.edns_udp_bytes);
  if (options.dnssec_ok) ldns_pkt_set_edns_do(packet, true);
  return Wire(packet);
}

ParsedAnswer ParseAnswer(std::string_view message) {
  ParsedAnswer parsed;
  ldns_pkt* packet = nullptr;
  if (ldns_wire2pkt(&packet, reinterpret_cast<const uint8_t*>(message.data()), message.size()) !=
      LDNS_STATUS_OK) {
    return parsed;
  }
  parsed.valid = true;
  parsed.id = ldns_pkt_id(packet);
  parsed.rcode = ldns_pkt_get_rcode(packet);
  parsed.authoritative = ldns_pkt_aa(packet);
  parsed.truncated = ldns_pkt_tc(packet);
  parsed.recursion_available = ldns_pkt_ra(packet);
  parsed.edns = ldns_pkt_edns(packet);
  if (ldns_pkt_qdcount(packet) > 0) parsed.question = Texts(ldns_pkt_question(packet))[0];
  parsed.answers = Texts(ldns_pkt_answer(packet));
  parsed.authorities = Texts(ldns_pkt_authority(packet));
  ldns_pkt_free(packet);
  return parsed;
}

std::string AskUdp(uint16_t port, const std::string& query, int timeout_ms) {
  const Fd fd = Connected(SOCK_DGRAM, port);
  if (::send(fd.get(), query.data(), query.size(), 0) < 0 || !Readable(fd, timeout_ms)) return "";
  std::array<char, 65536> answer;
  const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return size < 0 ? "" : std::string(answer.data(), static_cast<size_t>(size));
}

std::string AskTcp(uint16_t port, const std::string& query, int timeout_ms) {
  const Fd fd = Connected(SOCK_STREAM, port);
  const std::string framed =
      std::string{static_cast<char>(query.size() >> 8), static_cast<char>(query.size())} + query;
  if (::send(fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL) < 0) return "";
  std::string in;
  while (Readable(fd, timeout_ms)) {
    std::array<char, 65536> part;
    const ssize_t size = ::recv(fd.get(), part.data(), part.size(), 0);
    if (size <= 0) return "";
    in.append(part.data(), static_cast<size_t>(size));
    if (in.size() < 2) continue;
    const size_t length =
        static_cast<unsigned char>(in[0]) << 8 | static_cast<unsigned char>(in[1]);
    if (in.size() >= length + 2) return in.substr(2, length);
  }
  return "";
}

}  // namespace berth::dns
