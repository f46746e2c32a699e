#include "stamp.h"

#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace berth {
namespace {

constexpr std::array<char, 8> kMagic = {'b', 'e', 'r', 't', 'h', 's', 't', '1'};

struct Header {
  std::array<char, 8> magic;
  uint64_t epoch;
  uint64_t sequence;
  uint32_t slot;
  uint32_t checksum;  // of the whole block, with 0 here
  std::array<char, 32> node;
};

uint32_t Checksum(std::span<const char> block) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(block.data()), static_cast<uInt>(block.size())));
}

}  // namespace

std::string SlotContent::ToString() const {
  switch (kind) {
    case Kind::kBlank:
      return "nothing";
    case Kind::kStamped:
      return fmt::format("write {} of epoch {} by {}", stamp.sequence, stamp.epoch, stamp.node);
    case Kind::kTorn:
      return "a torn block";
  }
  return "?";
}

void EncodeBlock(const Stamp& stamp, std::span<char> block) {
  Header header = {.magic = kMagic,
                   .epoch = stamp.epoch,
                   .sequence = stamp.sequence,
                   .slot = stamp.slot,
                   .checksum = 0,
                   .node = {}};
  std::copy_n(stamp.node.begin(), std::min(stamp.node.size(), header.node.size() - 1),
              header.node.begin());
  const uint64_t filling = (stamp.epoch << 40) ^ (stamp.sequence * 0x9e3779b97f4a7c15U);
  for (size_t at = 0; at < block.size(); at += sizeof filling) {
    std::memcpy(block.data() + at, &filling, sizeof filling);
  }
  std::memcpy(block.data(), &header, sizeof header);
  header.checksum = Checksum(block);
  std::memcpy(block.data(), &header, sizeof header);
}

SlotContent DecodeBlock(std::span<const char> block) {
  SlotContent content;
  if (std::all_of(block.begin(), block.end(), [](char byte) { return byte == 0; })) return content;
  Header header;
  std::memcpy(&header, block.data(), sizeof header);
  std::vector<char> unchecked(block.begin(), block.end());
  const uint32_t checksum = std::exchange(header.checksum, 0);
  std::memcpy(unchecked.data(), &header, sizeof header);
  if (header.magic != kMagic || Checksum(unchecked) != checksum) {
    content.kind = SlotContent::Kind::kTorn;
    return content;
  }
  content.kind = SlotContent::Kind::kStamped;
  content.stamp = {.epoch = header.epoch,
                   .sequence = header.sequence,
                   .slot = header.slot,
                   .node = std::string(header.node.data())};
  return content;
}

}  // namespace berth
