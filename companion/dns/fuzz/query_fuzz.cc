// Any bytes, as a datagram and as a TCP message: never a crash, never an answer longer than its
// limit, and every answer is a message that another library reads. With clang:
//   clang++ -fsanitize=fuzzer,address ...; without, fuzz_test.cc drives it.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "companion/dns/ldns.h"
#include "companion/dns/responder.h"
#include "companion/dns/service_records.h"

namespace berth::dns {
namespace {

// A zone with something of each kind, made once.
class Target {
 public:
  Target() : zone_(1), responder_(zone_, synced_, limiter_, probe_, Options()) {
    std::vector<Record> records = ApexRecords(Cluster(), Cluster());
    const Name web = *NameFromText("web.default.svc.cluster.local");
    for (char last = 0; last < 100; ++last) {
      records.push_back({web, type::kA, std::string{10, 0, 0, last}});
    }
    records.push_back({*NameFromText("x.cluster.local"), type::kCname, web});
    zone_.Apply({}, std::move(records));
  }

  void Run(std::string_view packet, Transport transport) {
    const Responder::Reply reply = responder_.Respond(
        {packet, *IpAddress::Parse("10.0.0.1"), transport, rotation_++}, query_,
        {out_.data(), transport == Transport::kUdp ? kMaxUdpPayloadBytes : kMaxTcpPayloadBytes});
    if (reply.kind == Responder::Reply::Kind::kDrop) return;
    if (transport == Transport::kUdp && reply.size > kMaxUdpPayloadBytes) std::abort();
    ldns_pkt* parsed = nullptr;
    const auto* bytes = reinterpret_cast<const uint8_t*>(out_.data());
    if (ldns_wire2pkt(&parsed, bytes, reply.size) != LDNS_STATUS_OK) std::abort();
    ldns_pkt_free(parsed);
  }

 private:
  static Name Cluster() { return *NameFromText("cluster.local"); }
  static Responder::Options Options() {
    const std::vector<IpNetwork> reverse = {*IpNetwork::Parse("10.0.0.0/14"),
                                            *IpNetwork::Parse("fd00::/8")};
    return {{Cluster(), Cluster(), reverse}, PrivateNetworks(), true};
  }

  const RealClock clock_;
  Zone zone_;
  const std::atomic<bool> synced_ = true;
  RateLimiter limiter_{0, clock_};
  LoopProbe probe_{1};
  Responder responder_;
  Query query_;
  size_t rotation_ = 0;
  std::array<char, kMaxTcpPayloadBytes> out_;
};

}  // namespace
}  // namespace berth::dns

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static berth::dns::Target target;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  target.Run(packet, berth::dns::Transport::kUdp);
  target.Run(packet, berth::dns::Transport::kTcp);
  return 0;
}
