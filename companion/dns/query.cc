#include "companion/dns/query.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "companion/dns/rr_set.h"

namespace berth::dns {
namespace {

constexpr uint16_t kDnssecOk = 0x8000;
constexpr uint16_t kMinUdpPayloadBytes = 512;

// Walks a packet; once something is missing it stays failed and gives zeros.
class Cursor {
 public:
  explicit Cursor(std::string_view packet) : packet_(packet) {}

  bool failed() const { return failed_; }
  size_t position() const { return position_; }

  uint8_t Uint8() {
    if (!Take(1)) return 0;
    return static_cast<uint8_t>(packet_[position_ - 1]);
  }
  uint16_t Uint16() {
    const uint16_t high = Uint8();
    return static_cast<uint16_t>(high << 8 | Uint8());
  }
  std::string_view Bytes(size_t size) {
    return Take(size) ? packet_.substr(position_ - size, size) : std::string_view();
  }
  void Fail() { failed_ = true; }

 private:
  bool Take(size_t size) {
    if (failed_ || size > packet_.size() - position_) {
      failed_ = true;
      return false;
    }
    position_ += size;
    return true;
  }

  std::string_view packet_;
  size_t position_ = 0;
  bool failed_ = false;
};

// The question's name. Nothing stands before it that a compression pointer could point to.
void ReadName(Cursor& cursor, Query& query) {
  while (true) {
    const uint8_t length = cursor.Uint8();
    if (length > kMaxLabelBytes || query.name_size + 1 + length > kMaxNameBytes) cursor.Fail();
    const std::string_view label = cursor.Bytes(length);
    if (cursor.failed()) return;
    query.name_bytes[query.name_size++] = static_cast<char>(length);
    for (const char c : label) {
      query.name_bytes[query.name_size++] = absl::ascii_tolower(static_cast<unsigned char>(c));
    }
    if (length == 0) return;
  }
}

// The owner of a record behind the question, of which only whether it is the root is of interest.
bool SkipName(Cursor& cursor) {
  bool root = true;
  while (!cursor.failed()) {
    const uint8_t length = cursor.Uint8();
    if (length == 0) return root;
    root = false;
    if ((length & 0xc0) == 0xc0) {
      cursor.Uint8();
      return root;
    }
    if (length > kMaxLabelBytes) cursor.Fail();
    cursor.Bytes(length);
  }
  return false;
}

void ReadAdditional(Cursor& cursor, Query& query) {
  const bool root = SkipName(cursor);
  const uint16_t type = cursor.Uint16();
  const uint16_t payload = cursor.Uint16();
  cursor.Uint8();  // upper bits of a response code
  const uint8_t version = cursor.Uint8();
  const uint16_t edns_flags = cursor.Uint16();
  cursor.Bytes(cursor.Uint16());
  if (cursor.failed() || type != type::kOpt) return;
  if (query.edns || !root) return cursor.Fail();
  query.edns = true;
  query.udp_payload_bytes = std::max(payload, kMinUdpPayloadBytes);
  query.dnssec_ok = (edns_flags & kDnssecOk) != 0;
  if (version != 0) query.rcode = Rcode::kBadVers;
}

}  // namespace

bool ParseQuery(std::string_view packet, Query& query) {
  if (packet.size() < kHeaderBytes) return false;
  Cursor cursor(packet);
  query.id = cursor.Uint16();
  query.flags = cursor.Uint16();
  if ((query.flags & flag::kResponse) != 0) return false;
  if ((query.flags & flag::kOpcode) != 0) {
    query.rcode = Rcode::kNotImp;
    return true;
  }
  const uint16_t questions = cursor.Uint16();
  const uint16_t answers = cursor.Uint16();
  const uint16_t authorities = cursor.Uint16();
  const uint16_t additionals = cursor.Uint16();
  if (questions != 1 || answers != 0) cursor.Fail();
  ReadName(cursor, query);
  query.type = cursor.Uint16();
  query.qclass = cursor.Uint16();
  query.question = packet.substr(kHeaderBytes, cursor.position() - kHeaderBytes);
  // A query for a zone transfer names what it has in its authority section.
  for (uint32_t i = 0; i < uint32_t{authorities} + additionals && !cursor.failed(); ++i) {
    ReadAdditional(cursor, query);
  }
  if (cursor.failed()) {
    query.rcode = Rcode::kFormErr;
    query.question = {};
    query.edns = false;
  }
  return true;
}

}  // namespace berth::dns
