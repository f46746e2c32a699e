#include "companion/dns/message_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace berth::dns {
namespace {

constexpr uint16_t kPointer = 0xc000;
// 2^64 divided by the golden ratio: multiples of it are spread evenly.
constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
constexpr uint16_t kCopiedFlags = flag::kOpcode | flag::kRecursionDesired | flag::kCheckingDisabled;

}  // namespace

size_t PayloadLimit(const Query& query, Transport transport) {
  if (transport == Transport::kTcp) return kMaxTcpPayloadBytes;
  return std::min<size_t>(query.udp_payload_bytes, kMaxUdpPayloadBytes);
}

MessageWriter::MessageWriter(const Query& query, std::span<char> out)
    : query_(query), out_(out), limit_(out.size() - (query.edns ? kOptBytes : 0)) {
  Append(query.question);
}

bool MessageWriter::Append(std::string_view bytes) {
  if (bytes.size() > limit_ - size_) {
    truncated_ = true;
    return false;
  }
  size_ += bytes.copy(out_.data() + size_, bytes.size());
  return true;
}

void MessageWriter::PutUint16(size_t position, uint16_t value) {
  out_[position] = static_cast<char>(value >> 8);
  out_[position + 1] = static_cast<char>(value);
}

void MessageWriter::AddAnswers(const RrSet& set, uint16_t owner, size_t rotation) {
  const size_t count = set.size();
  // A plain count would meet how clients ask: A and AAAA in turn, so that of two addresses each
  // type would always show the same one first.
  const size_t first = (uint64_t{rotation} * kSpread >> 32) * count >> 32;
  const size_t begin = size_;
  // The records from `first` on, then those before it, in two copies when all fit.
  const bool fit = set.bytes().size() <= limit_ - size_ && answers_ + count <= UINT16_MAX;
  size_t added = 0;
  if (fit) {
    const size_t cut = set.Begin(first);
    Append(set.bytes().substr(cut));
    Append(set.bytes().substr(0, cut));
    added = count;
  } else {
    truncated_ = true;
    while (added < count && answers_ + added < UINT16_MAX) {
      const size_t i = (first + added) % count;
      if (!Append(set.bytes().substr(set.Begin(i), set.Begin(i + 1) - set.Begin(i)))) break;
      ++added;
    }
  }
  answers_ = static_cast<uint16_t>(answers_ + added);
  if (owner == kQuestionName) return;
  size_t position = begin;
  for (size_t k = 0; k < added; ++k) {
    const size_t i = (first + k) % count;
    PutUint16(position, kPointer | owner);
    position += set.Begin(i + 1) - set.Begin(i);
  }
}

bool MessageWriter::AppendRecord(uint16_t owner, uint16_t type, uint32_t ttl,
                                 std::string_view rdata) {
  if (RrSet::kHeaderBytes + rdata.size() > limit_ - size_) {
    truncated_ = true;
    return false;
  }
  for (const uint32_t value : {uint32_t{kPointer} | owner, uint32_t{type}, uint32_t{kClassIn},
                               ttl >> 16, ttl & 0xffff, static_cast<uint32_t>(rdata.size())}) {
    PutUint16(size_, static_cast<uint16_t>(value));
    size_ += 2;
  }
  return Append(rdata);
}

void MessageWriter::AddAnswer(uint16_t owner, uint16_t type, uint32_t ttl, std::string_view rdata) {
  if (AppendRecord(owner, type, ttl, rdata)) ++answers_;
}

void MessageWriter::AddAuthority(uint16_t owner, uint16_t type, uint32_t ttl,
                                 std::string_view rdata) {
  if (AppendRecord(owner, type, ttl, rdata)) ++authorities_;
}

void MessageWriter::Restart() {
  size_ = kHeaderBytes + query_.question.size();
  answers_ = authorities_ = 0;
  truncated_ = false;
}

size_t MessageWriter::Finish(Rcode rcode, uint16_t flags) {
  const auto code = static_cast<uint16_t>(rcode);
  PutUint16(0, query_.id);
  PutUint16(2, flag::kResponse | flags | (query_.flags & kCopiedFlags) |
                   (truncated_ ? flag::kTruncated : 0) | (code & 0xf));
  PutUint16(4, query_.question.empty() ? 0 : 1);
  PutUint16(6, answers_);
  PutUint16(8, authorities_);
  PutUint16(10, query_.edns ? 1 : 0);
  if (!query_.edns) return size_;
  const std::array<char, kOptBytes> opt = {0,
                                           0,
                                           static_cast<char>(type::kOpt),
                                           static_cast<char>(kMaxUdpPayloadBytes >> 8),
                                           static_cast<char>(kMaxUdpPayloadBytes & 0xff),
                                           static_cast<char>(code >> 4),
                                           0,
                                           static_cast<char>(query_.dnssec_ok ? 0x80 : 0),
                                           0,
                                           0,
                                           0};
  std::memcpy(out_.data() + size_, opt.data(), opt.size());
  return size_ + opt.size();
}

}  // namespace berth::dns
