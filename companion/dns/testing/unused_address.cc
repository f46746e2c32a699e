#include "companion/dns/testing/unused_address.h"

#include <sys/socket.h>

#include <cstdlib>

#include "companion/dns/sockets.h"

namespace berth::dns {

SocketAddress UnusedAddress(const std::string& ip) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const StatusOr<Fd> udp = BindSocket(SOCK_DGRAM, {*IpAddress::Parse(ip), 0});
    if (!udp.ok()) continue;
    const SocketAddress address = *BoundAddress(*udp);
    if (BindSocket(SOCK_STREAM, address).ok()) return address;
  }
  std::abort();
}

}  // namespace berth::dns
