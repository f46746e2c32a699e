#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "companion/dns/query.h"
#include "companion/dns/rr_set.h"

namespace berth::dns {

// EDNS asks for this much per datagram: what crosses every network unfragmented (RFC 9715).
inline constexpr size_t kMaxUdpPayloadBytes = 1232;
inline constexpr size_t kMaxTcpPayloadBytes = 65535;
inline constexpr size_t kOptBytes = 11;

enum class Transport { kUdp, kTcp };

// How long an answer to `query` may be.
size_t PayloadLimit(const Query& query, Transport transport);

// Writes the answer to one query into a buffer of the caller's. What does not fit is left out,
// record by record, and the answer is marked as truncated; room for EDNS is kept free.
class MessageWriter {
 public:
  // `out` is no larger than the answer may be, and has room for a header, the question and OPT.
  MessageWriter(const Query& query, std::span<char> out);

  // Offset of the question's name, as every message has it.
  static constexpr uint16_t kQuestionName = kHeaderBytes;

  size_t position() const { return size_; }

  // The set's records as answers of the name at offset `owner`; `rotation`, a count of answers,
  // chooses the one to begin with, each as often as another.
  void AddAnswers(const RrSet& set, uint16_t owner, size_t rotation);
  // One record; `owner` is an offset. In the answer or the authority section; no answer can follow
  // an authority.
  void AddAnswer(uint16_t owner, uint16_t type, uint32_t ttl, std::string_view rdata);
  void AddAuthority(uint16_t owner, uint16_t type, uint32_t ttl, std::string_view rdata);

  // Drops everything behind the question, and that something was left out.
  void Restart();
  void MarkTruncated() { truncated_ = true; }

  // Completes the message: `flags` besides those copied from the query. Its size.
  size_t Finish(Rcode rcode, uint16_t flags);

 private:
  bool Append(std::string_view bytes);
  bool AppendRecord(uint16_t owner, uint16_t type, uint32_t ttl, std::string_view rdata);
  void PutUint16(size_t position, uint16_t value);

  const Query& query_;
  std::span<char> out_;
  size_t limit_;  // without OPT
  size_t size_ = kHeaderBytes;
  uint16_t answers_ = 0;
  uint16_t authorities_ = 0;
  bool truncated_ = false;
};

}  // namespace berth::dns
