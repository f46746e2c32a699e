#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "companion/dns/query.h"

namespace berth::dns {

// How an answer that upstream completes goes to its client.
struct UpstreamReply {
  std::string message;
  Rcode rcode = Rcode::kServFail;
};

// `so_far` is our own message: header, question and perhaps CNAME records; upstream's records are
// added to it, each section to its own, and its response code becomes ours. Signatures are left out
// when the client did not ask for them (`dnssec_ok`). Above `limit_bytes` sections are dropped from
// the end, and what is left of the answers is marked as truncated. A message that does not parse,
// or an empty `upstream`, gives SERVFAIL with the question alone.
UpstreamReply CompleteWithUpstream(const std::string& so_far, std::string_view upstream,
                                   bool dnssec_ok, size_t limit_bytes);

}  // namespace berth::dns
