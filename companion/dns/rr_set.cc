#include "companion/dns/rr_set.h"

#include <algorithm>

namespace berth::dns {
namespace {

void AppendUint16(std::string& out, size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

constexpr size_t kQuestionPointer = 0xc00c;
constexpr size_t kClassIn = 1;

}  // namespace

// What does not change is copied as a whole: a set may have thousands of records, a change has few.
RrSet RrSet::With(std::span<const Change> changes) const {
  RrSet after(type_);
  after.bytes_.reserve(bytes_.size());
  size_t old = 0;
  for (const Change& change : changes) {
    const size_t at = LowerBound(change.rdata);
    after.AppendRange(*this, old, at);
    old = at;
    int64_t count = change.delta;
    if (old < size_ && Rdata(old) == change.rdata) count += Count(old++);
    if (count > 0) after.Append(change.rdata, static_cast<uint32_t>(count));
  }
  after.AppendRange(*this, old, size_);
  after.bytes_.shrink_to_fit();
  after.begins_.shrink_to_fit();
  after.counts_.shrink_to_fit();
  return after;
}

size_t RrSet::LowerBound(std::string_view rdata) const {
  size_t begin = 0;
  for (size_t end = size_; begin < end;) {
    const size_t middle = begin + (end - begin) / 2;
    if (Rdata(middle) < rdata) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

void RrSet::FillBegins() {
  if (!begins_.empty()) return;
  for (size_t i = 0; i < size_; ++i) begins_.push_back(i * (bytes_.size() / size_));
}

void RrSet::ExpectBytes(size_t record_bytes) {
  if (size_ > 0 && begins_.empty() && bytes_.size() / size_ != record_bytes) FillBegins();
}

void RrSet::AppendRange(const RrSet& from, size_t begin, size_t end) {
  if (begin == end) return;
  const size_t from_byte = from.Begin(begin);
  ExpectBytes(from.Begin(begin + 1) - from_byte);
  if (!begins_.empty() || !from.begins_.empty()) {
    FillBegins();
    const size_t shift = bytes_.size();
    for (size_t i = begin; i < end; ++i) begins_.push_back(shift + from.Begin(i) - from_byte);
  }
  if (!counts_.empty() || !from.counts_.empty()) {
    counts_.resize(size_, 1);
    for (size_t i = begin; i < end; ++i) counts_.push_back(from.Count(i));
  }
  bytes_.append(from.bytes().substr(from_byte, from.Begin(end) - from_byte));
  size_ += end - begin;
}

void RrSet::Append(std::string_view rdata, uint32_t count) {
  ExpectBytes(kHeaderBytes + rdata.size());
  if (!begins_.empty()) begins_.push_back(bytes_.size());
  if (count > 1 || !counts_.empty()) {
    counts_.resize(size_, 1);
    counts_.push_back(count);
  }

  const uint32_t ttl = type_ == type::kTxt ? kVersionTtl : kTtl;
  AppendUint16(bytes_, kQuestionPointer);
  AppendUint16(bytes_, type_);
  AppendUint16(bytes_, kClassIn);
  AppendUint16(bytes_, ttl >> 16);
  AppendUint16(bytes_, ttl & 0xffff);
  AppendUint16(bytes_, rdata.size());
  bytes_.append(rdata);
  ++size_;
}

}  // namespace berth::dns
