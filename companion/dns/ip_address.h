#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace berth::dns {

// An IPv4 or IPv6 address. An IPv4 address mapped into IPv6 is taken for what it is: IPv4.
class IpAddress {
 public:
  // Nothing when `text` is no address in its usual form.
  static std::optional<IpAddress> Parse(std::string_view text);
  static IpAddress FromBytes(std::string_view bytes);  // 4 or 16 bytes, network order
  // Of an AF_INET or AF_INET6 socket address; others give 0.0.0.0.
  static IpAddress FromSocketAddress(const sockaddr_storage& address);

  bool v6() const { return size_ == 16; }
  // Network order, 4 or 16 bytes.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), size_}; }
  std::string Text() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_ = {};
  size_t size_ = 4;
};

// A range of addresses, such as 10.0.0.0/8.
struct IpNetwork {
  IpAddress address;
  size_t prefix_bits = 0;

  // INVALID_ARGUMENT for what is no address/bits.
  static StatusOr<IpNetwork> Parse(std::string_view text);
  bool Contains(const IpAddress& other) const;
};

// An address and a port to listen on or to ask: "127.0.0.1:53", "[::1]:53".
struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // `default_port` is taken when the text has none; 0 means that it must have one. INVALID_ARGUMENT
  // otherwise.
  static StatusOr<SocketAddress> Parse(std::string_view text, uint16_t default_port = 0);
  std::string Text() const;
  // For bind and connect; the length goes to `size`.
  sockaddr_storage ForSocket(socklen_t& size) const;
  bool any() const { return ip.bytes().find_first_not_of('\0') == std::string_view::npos; }
};

}  // namespace berth::dns
