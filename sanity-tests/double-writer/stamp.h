#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace berth {

// Where the writers write: kSlots blocks, far enough apart that they lie in several RADOS objects,
// and so on several OSDs. The same places of the device (raw block) or of one file (mounted).
inline constexpr uint32_t kSlots = 64;
inline constexpr uint64_t kBlockBytes = 4096;
inline constexpr uint64_t kSlotStrideBytes = 512 * 1024;
inline constexpr uint64_t kWrittenBytes = kSlots * kSlotStrideBytes;

// What a writer leaves in a block: which write this was.
struct Stamp {
  uint64_t epoch = 0;     // of the writer claim
  uint64_t sequence = 0;  // counts the writes of one epoch
  uint32_t slot = 0;
  std::string node;  // at most 31 bytes
  bool operator==(const Stamp&) const = default;
};

// What a block holds.
struct SlotContent {
  enum class Kind {
    kBlank,    // zeroes: never written
    kStamped,  // a whole stamp
    kTorn,     // neither: parts of several writes, or somebody else's data
  };
  Kind kind = Kind::kBlank;
  Stamp stamp;  // of kStamped
  bool operator==(const SlotContent&) const = default;
  std::string ToString() const;
};

// All slots at one time, by slot.
using Picture = std::vector<SlotContent>;

// Fills `block` (kBlockBytes) with the stamp, bytes that only this write has, and a checksum.
void EncodeBlock(const Stamp& stamp, std::span<char> block);
SlotContent DecodeBlock(std::span<const char> block);

}  // namespace berth
