#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/status.h"
#include "rbd/data/fuse_protocol.h"

namespace berth {

// The memory of the requests that one connection's server works on. It is a file (memfd) that
// berth-data and berth-node hold too, so that it outlives the server, and its successor finds in it
// what was in flight. All of it is there from the beginning: taken and touched when mapped, so that
// serving allocates nothing (the write that is being served may be what reclaim waits for), and so
// that the kernel never has to fault a page in for a reader that is being killed.
//
// A buffer and its record, each step one store:
//
//         a reader takes it       a request that is kept here    its backend completed
//   free ──────────────────▶ reading ─────▶ started ──────────────▶ answering ──────▶ free
//     ▲                        │              ▲                      the answer is sent
//     │ answered on the spot   │              │ a small one moves into a buffer of its size
//     └────────────────────────┘           free
//
// The layout is read by the next version and by the one before: records grow at their end only, and
// states and operations keep their numbers.
enum class BufferState : uint32_t {
  kFree = 0,
  kReading = 1,  // holds a whole request as soon as its first word, fuse_in_header's len, is not 0
  kStarted = 2,  // the record says what; a write's data is in the buffer
  kAnswering = 3,  // done, with the record's error; a read's data is in the buffer
};

struct RequestRecord {
  std::atomic<BufferState> state;
  uint32_t descriptor;  // which of the connection's descriptors it was read from
  uint64_t buffer_offset;
  uint64_t buffer_bytes;
  uint64_t unique;
  FuseOperation operation;
  int32_t error;
  uint64_t offset;
  uint64_t length;
  uint32_t mode;
  uint32_t data_offset;  // of a write's data in the buffer
};
static_assert(std::atomic<BufferState>::is_always_lock_free);
static_assert(sizeof(RequestRecord) == 64 && sizeof(FuseOperation) == 4);

// One process' view of it. Move-only.
class RequestMemory {
 public:
  // A new file for a connection with this many descriptors. RESOURCE_EXHAUSTED when there is no
  // memory.
  static StatusOr<Fd> MakeFile(size_t descriptors);

  // FAILED_PRECONDITION when `file` was made by a version that is too new or is something else.
  static StatusOr<RequestMemory> Map(const Fd& file);

  RequestMemory(RequestMemory&& other) noexcept;
  RequestMemory& operator=(RequestMemory&&) = delete;
  ~RequestMemory();

  size_t size() const;  // how many buffers
  RequestRecord& record(size_t buffer) const;
  std::span<char> bytes(size_t buffer) const;

  // What the connection's first server agreed on; nullopt: nothing yet.
  std::optional<FuseNegotiation> negotiated() const;
  void set_negotiated(const FuseNegotiation& agreed);

 private:
  struct Header;
  RequestMemory(char* data, size_t bytes) : data_(data), bytes_(bytes) {}
  Header& header() const;
  bool IsSound() const;

  char* data_;
  size_t bytes_;
};

// Waits until no other process has this memory for its own, and keeps it until the returned
// descriptor is closed or the process is dead. Blocks.
StatusOr<Fd> LockRequestMemory(const Fd& file);

}  // namespace berth
