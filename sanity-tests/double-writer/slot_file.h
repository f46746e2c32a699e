#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "stamp.h"

namespace berth {

// A block in memory as O_DIRECT wants it.
struct alignas(kBlockBytes) AlignedBlock {
  std::array<char, kBlockBytes> bytes;
};

// The slots as a pod sees them: on a raw block device, or in a file of a mounted file system.
// Thread-safe for different slots.
class SlotFile {
 public:
  static StatusOr<SlotFile> OpenDevice(const std::string& path);
  // The file in `directory`; made, wholly written and synced when it is not there. One that is
  // there is complete.
  static StatusOr<SlotFile> OpenOrMakeFile(const std::string& directory);

  // 0 or an errno.
  int Write(const Stamp& stamp) const;
  int Read(uint32_t slot, SlotContent& content) const;
  int Sync() const;

  // Where each slot lies in the image. DATA_LOSS when the file has no written block there: then it
  // is not the one that was made.
  StatusOr<std::vector<uint64_t>> Offsets() const;

 private:
  SlotFile(Fd file, bool mounted) : file_(std::move(file)), mounted_(mounted) {}
  Fd file_;
  bool mounted_;
};

}  // namespace berth
