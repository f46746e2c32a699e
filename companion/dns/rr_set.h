#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "companion/dns/name.h"

namespace berth::dns {

// Record types and response codes by their numbers (the IANA registry of DNS parameters).
namespace type {
inline constexpr uint16_t kA = 1;
inline constexpr uint16_t kNs = 2;
inline constexpr uint16_t kCname = 5;
inline constexpr uint16_t kSoa = 6;
inline constexpr uint16_t kPtr = 12;
inline constexpr uint16_t kHinfo = 13;
inline constexpr uint16_t kMx = 15;
inline constexpr uint16_t kTxt = 16;
inline constexpr uint16_t kAaaa = 28;
inline constexpr uint16_t kSrv = 33;
inline constexpr uint16_t kOpt = 41;
inline constexpr uint16_t kIxfr = 251;
inline constexpr uint16_t kAxfr = 252;
inline constexpr uint16_t kAny = 255;
}  // namespace type

// One record of the zone, of class IN.
struct Record {
  Name owner;
  uint16_t type = 0;
  std::string rdata;  // wire format without compression

  auto operator<=>(const Record&) const = default;
};

// Seconds that clients may keep an answer. What the Kubernetes API says changes at any moment.
inline constexpr uint32_t kTtl = 5;
// The version of the schema changes with this program.
inline constexpr uint32_t kVersionTtl = 28800;

// A name's records of one type as they stand in an answer: each begins with a pointer to the
// question's name, which is at offset 12 of every message. So an answer is copied, never built.
// Records are counted: one that two EndpointSlices carry is there once, until both are gone.
class RrSet {
 public:
  // Owner pointer, type, class, TTL, length of the data.
  static constexpr size_t kHeaderBytes = 12;

  struct Change {
    std::string_view rdata;
    int delta;  // how many more carry it
  };

  explicit RrSet(uint16_t type) : type_(type) {}

  // The set after `changes`, which are ordered by rdata, each named once. A count does not fall
  // below zero. Costs a copy of the set.
  RrSet With(std::span<const Change> changes) const;

  uint16_t type() const { return type_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // All records, one after the other.
  std::string_view bytes() const { return bytes_; }
  // Where record `i` begins in bytes(); of size(): where the last one ends.
  size_t Begin(size_t i) const {
    if (i == size_) return bytes_.size();
    return begins_.empty() ? i * (bytes_.size() / size_) : begins_[i];
  }
  std::string_view Rdata(size_t i) const {
    return bytes().substr(Begin(i) + kHeaderBytes, Begin(i + 1) - Begin(i) - kHeaderBytes);
  }

 private:
  uint32_t Count(size_t i) const { return counts_.empty() ? 1 : counts_[i]; }
  // The first record that is not below `rdata`.
  size_t LowerBound(std::string_view rdata) const;
  void FillBegins();
  // Before a record of that length is appended.
  void ExpectBytes(size_t record_bytes);
  void AppendRange(const RrSet& from, size_t begin, size_t end);
  void Append(std::string_view rdata, uint32_t count);

  uint16_t type_;
  uint32_t size_ = 0;
  std::string bytes_;
  std::vector<uint32_t> begins_;  // empty: all records are of the same length
  std::vector<uint32_t> counts_;  // empty: all are 1
};

}  // namespace berth::dns
