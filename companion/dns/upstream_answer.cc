#include "companion/dns/upstream_answer.h"

#include <memory>
#include <optional>

#include "companion/dns/ldns.h"

namespace berth::dns {
namespace {

struct PacketDeleter {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, PacketDeleter>;

Packet Parse(std::string_view message) {
  ldns_pkt* packet = nullptr;
  const auto* bytes = reinterpret_cast<const uint8_t*>(message.data());
  if (ldns_wire2pkt(&packet, bytes, message.size()) != LDNS_STATUS_OK) return nullptr;
  return Packet(packet);
}

// Empty when ldns cannot write it.
std::string Wire(const Packet& packet) {
  uint8_t* bytes = nullptr;
  size_t size = 0;
  if (ldns_pkt2wire(&bytes, packet.get(), &size) != LDNS_STATUS_OK) return "";
  std::string message(reinterpret_cast<const char*>(bytes), size);
  LDNS_FREE(bytes);
  return message;
}

bool IsSignature(ldns_rr_type type) {
  return type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC || type == LDNS_RR_TYPE_NSEC3;
}

void AddSection(Packet& to, const ldns_rr_list* from, ldns_pkt_section section,
                std::optional<ldns_rr_type> asked, bool dnssec_ok) {
  for (size_t i = 0; i < ldns_rr_list_rr_count(from); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(from, i);
    const ldns_rr_type type = ldns_rr_get_type(rr);
    if (IsSignature(type) && !dnssec_ok && type != asked) continue;
    ldns_pkt_push_rr(to.get(), section, ldns_rr_clone(rr));
  }
}

void DropRecords(ldns_rr_list* list, size_t count) {
  for (size_t i = 0; i < count; ++i) ldns_rr_free(ldns_rr_list_pop_rr(list));
}

void DropSection(Packet& packet, ldns_pkt_section section) {
  ldns_rr_list* records = section == LDNS_SECTION_ADDITIONAL ? ldns_pkt_additional(packet.get())
                                                             : ldns_pkt_authority(packet.get());
  DropRecords(records, ldns_rr_list_rr_count(records));
  ldns_pkt_set_section_count(packet.get(), section, 0);
}

std::string WireWithin(Packet& packet, size_t limit_bytes) {
  std::string message = Wire(packet);
  if (message.size() <= limit_bytes) return message;
  DropSection(packet, LDNS_SECTION_ADDITIONAL);
  message = Wire(packet);
  if (message.size() <= limit_bytes) return message;
  // What is dropped from here on is missed by the client.
  ldns_pkt_set_tc(packet.get(), true);
  DropSection(packet, LDNS_SECTION_AUTHORITY);
  ldns_rr_list* answers = ldns_pkt_answer(packet.get());
  for (message = Wire(packet); message.size() > limit_bytes; message = Wire(packet)) {
    const size_t count = ldns_rr_list_rr_count(answers);
    if (count == 0) return "";
    DropRecords(answers, (count + 1) / 2);
    ldns_pkt_set_section_count(packet.get(), LDNS_SECTION_ANSWER, count / 2);
  }
  return message;
}

UpstreamReply Failure(const std::string& so_far) {
  Packet packet = Parse(so_far);
  if (packet == nullptr) return {};
  ldns_rr_list* answers = ldns_pkt_answer(packet.get());
  DropRecords(answers, ldns_rr_list_rr_count(answers));
  ldns_pkt_set_section_count(packet.get(), LDNS_SECTION_ANSWER, 0);
  ldns_pkt_set_rcode(packet.get(), LDNS_RCODE_SERVFAIL);
  return {Wire(packet), Rcode::kServFail};
}

}  // namespace

UpstreamReply CompleteWithUpstream(const std::string& so_far, std::string_view upstream,
                                   bool dnssec_ok, size_t limit_bytes) {
  const Packet theirs = upstream.empty() ? nullptr : Parse(upstream);
  Packet ours = Parse(so_far);
  if (theirs == nullptr || ours == nullptr) return Failure(so_far);
  std::optional<ldns_rr_type> asked;
  if (const ldns_rr_list* question = ldns_pkt_question(ours.get());
      ldns_rr_list_rr_count(question) == 1) {
    asked = ldns_rr_get_type(ldns_rr_list_rr(question, 0));
  }
  AddSection(ours, ldns_pkt_answer(theirs.get()), LDNS_SECTION_ANSWER, asked, dnssec_ok);
  AddSection(ours, ldns_pkt_authority(theirs.get()), LDNS_SECTION_AUTHORITY, asked, dnssec_ok);
  AddSection(ours, ldns_pkt_additional(theirs.get()), LDNS_SECTION_ADDITIONAL, asked, dnssec_ok);
  const ldns_pkt_rcode rcode = ldns_pkt_get_rcode(theirs.get());
  ldns_pkt_set_rcode(ours.get(), rcode);
  std::string message = WireWithin(ours, limit_bytes);
  if (message.empty()) return Failure(so_far);
  return {std::move(message), static_cast<Rcode>(rcode)};
}

}  // namespace berth::dns
