#include "companion/dns/sockets.h"

#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>

#include <cerrno>

namespace berth::dns {

StatusOr<Fd> BindSocket(int kind, const SocketAddress& address) {
  const std::string what =
      fmt::format("listen on {} {}", kind == SOCK_DGRAM ? "udp" : "tcp", address.Text());
  socklen_t size = 0;
  const sockaddr_storage storage = address.ForSocket(size);
  Fd socket(::socket(storage.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoError(errno, what);
  SetOption(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  SetOption(socket, SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.ip.v6()) SetOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, address.any() ? 0 : 1);
  if (kind == SOCK_DGRAM && address.any()) {
    // Of an IPv6 socket also for IPv4 clients.
    SetOption(socket, address.ip.v6() ? IPPROTO_IPV6 : IPPROTO_IP,
              address.ip.v6() ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    return ErrnoError(errno, what);
  }
  return socket;
}

StatusOr<SocketAddress> BoundAddress(const Fd& socket) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return ErrnoError(errno, "ask a socket for its address");
  }
  SocketAddress address;
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    address.ip = IpAddress::FromBytes({reinterpret_cast<const char*>(&v6.sin6_addr), 16});
    address.port = ntohs(v6.sin6_port);
  } else {
    address.ip = IpAddress::FromSocketAddress(storage);
    address.port = ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  }
  return address;
}

void SetOption(const Fd& socket, int level, int option, int value) {
  ::setsockopt(socket.get(), level, option, &value, sizeof(value));
}

}  // namespace berth::dns
