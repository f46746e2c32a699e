#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "companion/dns/ip_address.h"
#include "companion/dns/loop_probe.h"
#include "companion/dns/message_writer.h"
#include "companion/dns/query.h"
#include "companion/dns/rate_limit.h"
#include "companion/dns/zone.h"

namespace berth::dns {

// Networks whose hosts may have other names than the cluster's looked up: loopback, link-local, the
// private ranges of RFC 1918 and RFC 4193, and the shared range of RFC 6598.
std::vector<IpNetwork> PrivateNetworks();

struct Authority {
  Name cluster_zone;
  // <name>.<namespace>.svc.<cluster zone> of the Service that this server is reached by.
  Name name_server;
  // Addresses of which this server alone knows the names: an unknown one does not exist. Other
  // addresses' names are asked for upstream.
  std::vector<IpNetwork> reverse_networks;
};

// Decides what a packet is answered with; the whole of the server's behaviour but sockets and
// upstream:
//
//   unreadable, no query ──────────────────────────────▶ nothing, FORMERR, NOTIMP, BADVERS
//   another class, a zone transfer ────────────────────▶ REFUSED
//   the cluster's zone, reverse names ── not synced ───▶ SERVFAIL
//                                     ── name known ───▶ records, or NODATA with the SOA
//                                     ── unknown ──────▶ NXDOMAIN with the SOA
//   others, reverse names of other networks ── client in its networks, RD set ──▶ upstream
//                                           ── else ───▶ REFUSED; SERVFAIL when forwarding loops
//
// Thread-safe. No state but counters of the limiter and the probe's.
class Responder {
 public:
  struct Options {
    Authority authority;
    std::vector<IpNetwork> client_networks = PrivateNetworks();
    bool forwards = false;  // there is an upstream
  };
  // All outlive the responder.
  Responder(const Zone& zone, const std::atomic<bool>& synced, RateLimiter& limiter,
            LoopProbe& probe, Options options);

  struct Request {
    std::string_view packet;
    IpAddress client;
    Transport transport = Transport::kUdp;
    // Which of a name's addresses comes first; callers count it up.
    size_t rotation = 0;
  };
  struct Reply {
    enum class Kind {
      kDrop,
      kAnswer,
      kForward,  // the answer so far is to be completed with upstream's for `upstream_name`
    };
    Kind kind = Kind::kDrop;
    size_t size = 0;  // of what stands in `out`: a complete message, also for kForward
    Rcode rcode = Rcode::kNoError;
    bool rate_limited = false;
    Name upstream_name = {};
  };
  // `query` and `out` are scratch space of the caller's; `out` is of kMaxUdpPayloadBytes for UDP
  // and of kMaxTcpPayloadBytes for TCP.
  Reply Respond(const Request& request, Query& query, std::span<char> out) const;

 private:
  // A question on its way to its answer.
  struct Asked {
    const Query& query;
    size_t rotation;
    bool is_client;
    bool recursion_available;
  };
  Reply Answer(const Asked& asked, MessageWriter& writer) const;
  Reply AnswerReverse(const Asked& asked, MessageWriter& writer) const;
  // `zone_bytes`: how much of the name's end is the zone's own.
  Reply AnswerFromZone(const Asked& asked, size_t zone_bytes, MessageWriter& writer) const;
  Reply AnswerForCname(const Asked& asked, const RrSet& cname, const Zone::Reader& reader,
                       MessageWriter& writer) const;
  Reply Negative(const Asked& asked, Rcode rcode, uint16_t zone, MessageWriter& writer) const;
  Reply Forward(const Asked& asked, MessageWriter& writer) const;
  bool IsClient(const IpAddress& address) const;
  std::string Soa() const;

  const Zone& zone_;
  const std::atomic<bool>& synced_;
  RateLimiter& limiter_;
  LoopProbe& probe_;
  const Options options_;
  const std::string soa_names_;
};

}  // namespace berth::dns
