#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {

// A domain name in wire format (RFC 1035, 3.1), without compression, lower-cased, with its final
// zero byte: "\3web\7default\0". All names of the zone are in this form; what a client asked keeps
// its case elsewhere.
using Name = std::string;

inline constexpr size_t kMaxLabelBytes = 63;
inline constexpr size_t kMaxNameBytes = 255;

// Reads "web.default.svc.cluster.local", with or without the final dot, with the escapes of zone
// files. INVALID_ARGUMENT for an empty or too long label or name.
StatusOr<Name> NameFromText(std::string_view text);
// For people: without the final dot, "." for the root.
std::string NameToText(std::string_view name);

// The name with one label before `parent`; nothing when a label or the name would be longer than
// DNS allows, or the label is empty.
std::optional<Name> Child(std::string_view label, std::string_view parent);
// `name` without its first label. Not to be called for the root.
inline std::string_view Parent(std::string_view name) {
  return name.substr(static_cast<unsigned char>(name[0]) + 1U);
}
// True for the zone's own name too.
bool IsWithin(std::string_view name, std::string_view zone);

// Where an address's PTR records are: below in-addr.arpa or ip6.arpa.
Name ReverseName(const IpAddress& address);

// A name below in-addr.arpa or ip6.arpa, read as a prefix of addresses.
struct ReversePrefix {
  IpAddress address;  // bits beyond the prefix are zero
  size_t labels = 0;  // before in-addr.arpa or ip6.arpa
  size_t prefix_bits = 0;
};
// Nothing for names that are not below the two, or whose labels are no octets or nibbles.
std::optional<ReversePrefix> ParseReverseName(std::string_view name);
// True for in-addr.arpa, ip6.arpa and all below.
bool IsReverse(std::string_view name);

}  // namespace berth::dns
