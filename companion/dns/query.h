#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "companion/dns/name.h"

namespace berth::dns {

inline constexpr size_t kHeaderBytes = 12;
inline constexpr uint16_t kClassIn = 1;

enum class Rcode : uint16_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kBadVers = 16,  // needs EDNS: its upper bits are in the OPT record
};

// Bits of the header's second and third byte.
namespace flag {
inline constexpr uint16_t kResponse = 0x8000;
inline constexpr uint16_t kOpcode = 0x7800;
inline constexpr uint16_t kAuthoritative = 0x0400;
inline constexpr uint16_t kTruncated = 0x0200;
inline constexpr uint16_t kRecursionDesired = 0x0100;
inline constexpr uint16_t kRecursionAvailable = 0x0080;
inline constexpr uint16_t kCheckingDisabled = 0x0010;
}  // namespace flag

// What a packet asks, read with every length checked. It refers to the packet.
struct Query {
  uint16_t id = 0;
  uint16_t flags = 0;
  // Name, type and class, as they came: what an answer repeats, letter case and all. Empty when
  // `rcode` is kFormErr.
  std::string_view question;
  uint16_t type = 0;
  uint16_t qclass = 0;

  bool edns = false;
  uint16_t udp_payload_bytes = 512;  // at least 512
  bool dnssec_ok = false;

  // Of the whole: kNoError, or the answer that it deserves: kFormErr, kNotImp (not a standard
  // query), kBadVers (EDNS above 0).
  Rcode rcode = Rcode::kNoError;

  // Lower-cased.
  std::string_view name() const { return {name_bytes.data(), name_size}; }

  std::array<char, kMaxNameBytes> name_bytes = {};
  size_t name_size = 0;
};

// False for what must not be answered at all: shorter than a header, or itself an answer. Never
// reads beyond `packet`, and looks at each byte a bounded number of times.
bool ParseQuery(std::string_view packet, Query& query);

}  // namespace berth::dns
