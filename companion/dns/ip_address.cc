#include "companion/dns/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace berth::dns {
namespace {

constexpr std::string_view kMappedPrefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);

// Nothing unless all of `text` is a number of at most `max`.
std::optional<unsigned> ParseNumber(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

Status NotAnAddress(std::string_view text) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is no address and port, such as 10.0.0.1:53 or [::1]:53", text));
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string terminated(text);
  std::array<char, 16> bytes = {};
  if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return FromBytes({bytes.data(), 4});
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return FromBytes({bytes.data(), 16});
  }
  return std::nullopt;
}

IpAddress IpAddress::FromBytes(std::string_view bytes) {
  if (bytes.size() == 16 && bytes.starts_with(kMappedPrefix)) bytes.remove_prefix(12);
  IpAddress address;
  address.size_ = bytes.size() == 16 ? 16 : 4;
  std::memcpy(address.bytes_.data(), bytes.data(), std::min(bytes.size(), address.size_));
  return address;
}

IpAddress IpAddress::FromSocketAddress(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return FromBytes({reinterpret_cast<const char*>(&v6.sin6_addr), 16});
  }
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return FromBytes({reinterpret_cast<const char*>(&v4.sin_addr), 4});
  }
  return {};
}

std::string IpAddress::Text() const {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  ::inet_ntop(v6() ? AF_INET6 : AF_INET, bytes_.data(), text.data(), text.size());
  return text.data();
}

StatusOr<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
  if (slash != std::string_view::npos && address) {
    const unsigned all_bits = static_cast<unsigned>(address->bytes().size()) * 8;
    if (const auto bits = ParseNumber(text.substr(slash + 1), all_bits)) {
      return IpNetwork{*address, *bits};
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is no network, such as 10.0.0.0/8 or fd00::/8", text));
}

bool IpNetwork::Contains(const IpAddress& other) const {
  if (other.v6() != address.v6()) return false;
  const size_t whole = prefix_bits / 8;
  if (std::memcmp(address.bytes().data(), other.bytes().data(), whole) != 0) return false;
  const size_t rest = prefix_bits % 8;
  if (rest == 0) return true;
  const int different = address.bytes()[whole] ^ other.bytes()[whole];
  return (different & 0xff) >> (8 - rest) == 0;
}

StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text, uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  if (const size_t bracket = text.find(']'); text.starts_with('[')) {
    if (bracket == std::string_view::npos) return NotAnAddress(text);
    host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (!port.empty() && port[0] != ':') return NotAnAddress(text);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':'));
  }
  const std::optional<IpAddress> ip = IpAddress::Parse(host);
  if (!ip) return NotAnAddress(text);
  if (port.empty() && default_port != 0) return SocketAddress{*ip, default_port};
  if (port.size() < 2) return NotAnAddress(text);
  const std::optional<unsigned> number = ParseNumber(port.substr(1), 65535);
  if (!number) return NotAnAddress(text);
  return SocketAddress{*ip, static_cast<uint16_t>(*number)};
}

std::string SocketAddress::Text() const {
  return ip.v6() ? fmt::format("[{}]:{}", ip.Text(), port) : fmt::format("{}:{}", ip.Text(), port);
}

sockaddr_storage SocketAddress::ForSocket(socklen_t& size) const {
  sockaddr_storage storage = {};
  if (ip.v6()) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, ip.bytes().data(), 16);
    size = sizeof(v6);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.bytes().data(), 4);
    size = sizeof(v4);
  }
  return storage;
}

}  // namespace berth::dns
