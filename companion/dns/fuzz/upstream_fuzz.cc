// Any bytes as upstream's answer: what the client gets is a readable message within its limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "companion/dns/ldns.h"
#include "companion/dns/upstream_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Our answer so far: a.b. IN A, nothing else.
  static const std::string kSoFar("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\1a\1b\0\0\1\0\1", 21);
  constexpr size_t kLimit = 512;
  const std::string_view upstream(reinterpret_cast<const char*>(data), size);
  const berth::dns::UpstreamReply reply =
      berth::dns::CompleteWithUpstream(kSoFar, upstream, size % 2 == 0, kLimit);
  if (reply.message.empty() || reply.message.size() > kLimit) std::abort();
  ldns_pkt* parsed = nullptr;
  const auto* bytes = reinterpret_cast<const uint8_t*>(reply.message.data());
  if (ldns_wire2pkt(&parsed, bytes, reply.message.size()) != LDNS_STATUS_OK) std::abort();
  ldns_pkt_free(parsed);
  return 0;
}
