#include "companion/dns/responder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "companion/dns/service_records.h"

namespace berth::dns {
namespace {

constexpr size_t kMaxCnameHops = 8;
// Of the SOA. The last one is for how long clients may keep that a name does not exist.
constexpr uint32_t kRefreshS = 7200;
constexpr uint32_t kRetryS = 1800;
constexpr uint32_t kExpireS = 86400;
constexpr uint32_t kMinimumS = kTtl;
// RFC 8482: what is there instead of all records.
constexpr std::string_view kAnyAnswer("\7RFC8482\0", 9);

using Reply = Responder::Reply;

Reply Finished(Rcode rcode, uint16_t flags, MessageWriter& writer) {
  return {Reply::Kind::kAnswer, writer.Finish(rcode, flags), rcode};
}

uint16_t AuthoritativeFlags(bool recursion_available) {
  return flag::kAuthoritative | (recursion_available ? flag::kRecursionAvailable : 0);
}

// The part of a reverse name that is the zone of `network`: whole octets, or nibbles, of its
// prefix, rounded up, because zones are cut where labels are.
size_t ReverseZoneBytes(std::string_view name, const ReversePrefix& prefix,
                        const IpNetwork& network) {
  const size_t bits_a_label = network.address.v6() ? 4 : 8;
  const size_t labels = (network.prefix_bits + bits_a_label - 1) / bits_a_label;
  for (size_t i = labels; i < prefix.labels; ++i) name = Parent(name);
  return name.size();
}

}  // namespace

std::vector<IpNetwork> PrivateNetworks() {
  std::vector<IpNetwork> networks;
  for (const char* text : {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                           "100.64.0.0/10", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"}) {
    networks.push_back(*IpNetwork::Parse(text));
  }
  return networks;
}

Responder::Responder(const Zone& zone, const std::atomic<bool>& synced, RateLimiter& limiter,
                     LoopProbe& probe, Options options)
    : zone_(zone),
      synced_(synced),
      limiter_(limiter),
      probe_(probe),
      options_(std::move(options)),
      soa_names_(SoaNames(options_.authority.cluster_zone, options_.authority.name_server)) {}

Reply Responder::Respond(const Request& request, Query& query, std::span<char> out) const {
  query = Query();
  if (!ParseQuery(request.packet, query)) return {};
  MessageWriter writer(query,
                       out.first(std::min(out.size(), PayloadLimit(query, request.transport))));
  const bool is_client = IsClient(request.client);
  const bool recursion_available = options_.forwards && is_client && !probe_.looped();
  const Reply reply = Answer({query, request.rotation, is_client, recursion_available}, writer);
  // Our own clients are not limited, and only for them anything is forwarded.
  if (is_client || request.transport == Transport::kTcp) return reply;
  switch (limiter_.Count(request.client)) {
    case RateLimiter::Verdict::kAnswer:
      return reply;
    case RateLimiter::Verdict::kDrop:
      return {.rate_limited = true};
    case RateLimiter::Verdict::kTruncate: {
      writer.Restart();
      writer.MarkTruncated();
      Reply truncated = Finished(Rcode::kNoError, 0, writer);
      truncated.rate_limited = true;
      return truncated;
    }
  }
  return reply;
}

Reply Responder::Answer(const Asked& asked, MessageWriter& writer) const {
  const Query& query = asked.query;
  if (query.rcode != Rcode::kNoError) return Finished(query.rcode, 0, writer);
  const bool transfer = query.type == type::kAxfr || query.type == type::kIxfr;
  if (query.qclass != kClassIn || transfer || query.type == type::kOpt) {
    return Finished(Rcode::kRefused, 0, writer);
  }
  const bool in_cluster = IsWithin(query.name(), options_.authority.cluster_zone);
  if (!in_cluster && !IsReverse(query.name())) return Forward(asked, writer);
  if (!synced_.load(std::memory_order_acquire)) return Finished(Rcode::kServFail, 0, writer);
  if (!in_cluster) return AnswerReverse(asked, writer);
  return AnswerFromZone(asked, options_.authority.cluster_zone.size(), writer);
}

Reply Responder::AnswerReverse(const Asked& asked, MessageWriter& writer) const {
  const std::string_view name = asked.query.name();
  if (const std::optional<ReversePrefix> prefix = ParseReverseName(name)) {
    for (const IpNetwork& network : options_.authority.reverse_networks) {
      const bool below = prefix->prefix_bits >= network.prefix_bits;
      if (below && network.Contains(prefix->address)) {
        return AnswerFromZone(asked, ReverseZoneBytes(name, *prefix, network), writer);
      }
    }
  }
  {
    const Zone::Reader reader(zone_);
    const Node* node = reader.Find(name);
    const RrSet* pointers = node == nullptr ? nullptr : node->Find(asked.query.type);
    if (pointers != nullptr) {
      writer.AddAnswers(*pointers, MessageWriter::kQuestionName, asked.rotation);
      return Finished(Rcode::kNoError, AuthoritativeFlags(asked.recursion_available), writer);
    }
  }
  return Forward(asked, writer);
}

Reply Responder::AnswerFromZone(const Asked& asked, size_t zone_bytes,
                                MessageWriter& writer) const {
  const Query& query = asked.query;
  const uint16_t flags = AuthoritativeFlags(asked.recursion_available);
  // The zone's name is the end of the question's.
  const auto zone =
      static_cast<uint16_t>(MessageWriter::kQuestionName + query.name_size - zone_bytes);
  const bool apex = query.name_size == zone_bytes;
  const Zone::Reader reader(zone_);
  const Node* node = reader.Find(query.name());
  if (node == nullptr && !apex) return Negative(asked, Rcode::kNxDomain, zone, writer);
  if (query.type == type::kAny) {
    writer.AddAnswer(MessageWriter::kQuestionName, type::kHinfo, kTtl, kAnyAnswer);
    return Finished(Rcode::kNoError, flags, writer);
  }
  if (query.type == type::kSoa && apex) {
    writer.AddAnswer(MessageWriter::kQuestionName, type::kSoa, kTtl, Soa());
    return Finished(Rcode::kNoError, flags, writer);
  }
  if (const RrSet* set = node == nullptr ? nullptr : node->Find(query.type)) {
    writer.AddAnswers(*set, MessageWriter::kQuestionName, asked.rotation);
    return Finished(Rcode::kNoError, flags, writer);
  }
  if (const RrSet* cname = node == nullptr ? nullptr : node->Find(type::kCname)) {
    return AnswerForCname(asked, *cname, reader, writer);
  }
  return Negative(asked, Rcode::kNoError, zone, writer);
}

// An external name may be one of the cluster, whose Service may have an external name again.
Reply Responder::AnswerForCname(const Asked& asked, const RrSet& cname, const Zone::Reader& reader,
                                MessageWriter& writer) const {
  const Name& cluster_zone = options_.authority.cluster_zone;
  const uint16_t flags = AuthoritativeFlags(asked.recursion_available);
  uint16_t owner = MessageWriter::kQuestionName;
  const RrSet* next = &cname;
  for (size_t hop = 0; hop < kMaxCnameHops; ++hop) {
    const std::string_view target = next->Rdata(0);
    const auto target_at = static_cast<uint16_t>(writer.position() + RrSet::kHeaderBytes);
    writer.AddAnswer(owner, type::kCname, kTtl, target);
    owner = target_at;
    if (!IsWithin(target, cluster_zone)) {
      const bool recursion_desired = (asked.query.flags & flag::kRecursionDesired) != 0;
      const size_t size = writer.Finish(Rcode::kNoError, flags);
      if (!asked.recursion_available || !recursion_desired) return {Reply::Kind::kAnswer, size};
      return {Reply::Kind::kForward, size, Rcode::kNoError, false, Name(target)};
    }
    const auto zone = static_cast<uint16_t>(target_at + target.size() - cluster_zone.size());
    const Node* node = reader.Find(target);
    if (node == nullptr) return Negative(asked, Rcode::kNxDomain, zone, writer);
    if (const RrSet* set = node->Find(asked.query.type)) {
      writer.AddAnswers(*set, owner, asked.rotation);
      return Finished(Rcode::kNoError, flags, writer);
    }
    next = node->Find(type::kCname);
    if (next == nullptr) return Negative(asked, Rcode::kNoError, zone, writer);
  }
  writer.Restart();
  return Finished(Rcode::kServFail, flags, writer);
}

Reply Responder::Negative(const Asked& asked, Rcode rcode, uint16_t zone,
                          MessageWriter& writer) const {
  writer.AddAuthority(zone, type::kSoa, kMinimumS, Soa());
  return Finished(rcode, AuthoritativeFlags(asked.recursion_available), writer);
}

Reply Responder::Forward(const Asked& asked, MessageWriter& writer) const {
  const Query& query = asked.query;
  if (options_.forwards && probe_.Recognise(query.name())) {
    return Finished(Rcode::kServFail, 0, writer);
  }
  const bool recursion_desired = (query.flags & flag::kRecursionDesired) != 0;
  if (!options_.forwards || !recursion_desired || !asked.is_client) {
    return Finished(Rcode::kRefused, 0, writer);
  }
  if (probe_.looped()) return Finished(Rcode::kServFail, 0, writer);
  return {Reply::Kind::kForward, writer.Finish(Rcode::kNoError, flag::kRecursionAvailable),
          Rcode::kNoError, false, Name(query.name())};
}

bool Responder::IsClient(const IpAddress& address) const {
  return std::any_of(options_.client_networks.begin(), options_.client_networks.end(),
                     [&](const IpNetwork& network) { return network.Contains(address); });
}

std::string Responder::Soa() const {
  std::string data = soa_names_;
  for (const uint32_t value : {zone_.serial(), kRefreshS, kRetryS, kExpireS, kMinimumS}) {
    for (const int shift : {24, 16, 8, 0}) data.push_back(static_cast<char>(value >> shift));
  }
  return data;
}

}  // namespace berth::dns
