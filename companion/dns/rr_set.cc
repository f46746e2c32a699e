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

RrSet RrSet::With(std::span<const Change> changes) const {
  RrSet after(type_);
  after.bytes_.reserve(bytes_.size());
  size_t old = 0;
  for (const Change& change : changes) {
    while (old < size_ && Rdata(old) < change.rdata) {
      after.Append(Rdata(old), Count(old));
      ++old;
    }
    int64_t count = change.delta;
    if (old < size_ && Rdata(old) == change.rdata) count += Count(old++);
    if (count > 0) after.Append(change.rdata, static_cast<uint32_t>(count));
  }
  for (; old < size_; ++old) after.Append(Rdata(old), Count(old));
  after.bytes_.shrink_to_fit();
  return after;
}

void RrSet::Append(std::string_view rdata, uint32_t count) {
  const bool first_of_its_length =
      size_ > 0 && begins_.empty() && bytes_.size() / size_ != kHeaderBytes + rdata.size();
  if (first_of_its_length) {
    for (size_t i = 0; i < size_; ++i) begins_.push_back(i * (bytes_.size() / size_));
  }
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
