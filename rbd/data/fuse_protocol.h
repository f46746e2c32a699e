#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace berth {

// The part of the kernel's FUSE protocol (uapi linux/fuse.h, version 7.38 and later) that one
// regular file as the root of its file system needs.

// What a request asks of us; requests that are answered alike share a value. The numbers stand in
// memory that another version reads (request_memory.h): new ones go to the end.
enum class FuseOperation : uint32_t {
  kInit,
  kGetAttributes,
  kSetAttributes,
  kOpen,
  kStatFs,
  kRead,
  kWrite,
  kSync,
  kAllocate,     // fallocate(2)
  kAcknowledge,  // needs an answer and nothing else: flush, release, access, destroy
  kNoAnswer,     // forget, interrupt
  kUnsupported,
};

struct FuseRequest {
  FuseOperation operation = FuseOperation::kUnsupported;
  uint64_t unique = 0;         // names the request in the answer
  uint64_t offset = 0;         // kRead, kWrite, kAllocate: bytes
  uint64_t length = 0;         // likewise
  uint32_t mode = 0;           // kAllocate: FALLOC_FL_…; kSetAttributes: FATTR_…
  std::span<const char> data;  // kWrite: inside the parsed message
  uint32_t kernel_minor = 0;   // kInit: the kernel speaks 7.<minor>
  uint64_t kernel_flags = 0;   // kInit: what the kernel offers
};

// What kernel and server agreed on when the connection began. The kernel asks once per connection;
// whoever serves it later has to be told.
struct FuseNegotiation {
  bool resend = false;  // FUSE_NOTIFY_RESEND works (kernel 6.9 and later)
  bool operator==(const FuseNegotiation&) const = default;
};

// The largest read or write that we let the kernel send, and the size of a buffer that takes any
// request: a smaller one makes read(2) on /dev/fuse fail with EINVAL.
inline constexpr size_t kFuseMaxTransferBytes = 1 << 20;
inline constexpr size_t kFuseRequestBytes = kFuseMaxTransferBytes + 4096;

// Reads one message as read(2) on /dev/fuse returned it. INVALID_ARGUMENT when it is shorter than
// its header or its arguments say: then not even an error can be answered.
StatusOr<FuseRequest> ParseFuseRequest(std::span<const char> message);

// Answers are single writes to the descriptor that the request was read from. They return 0 or a
// positive errno; ENOENT means that the kernel has given the request up, which is no error of ours.
int SendFuseError(int fd, uint64_t unique, int error);  // `error` 0: success without data
int SendFuseData(int fd, uint64_t unique, std::span<const char> data);
int SendFuseWritten(int fd, uint64_t unique, uint32_t bytes);
int SendFuseOpened(int fd, uint64_t unique);
int SendFuseAttributes(int fd, uint64_t unique, uint64_t size_bytes);
int SendFuseStatFs(int fd, uint64_t unique, uint64_t size_bytes);
// Answers kInit with the largest transfers and the features we use; `agreed` is what came of it.
// `resend`: whether FUSE_NOTIFY_RESEND is wanted where the kernel has it.
int SendFuseInit(int fd, const FuseRequest& request, bool resend, FuseNegotiation& agreed);

// Tells the kernel to send every request again that was read and not answered, because its reader
// has died. Needs FuseNegotiation::resend.
int SendFuseResend(int fd);

// Tells the kernel that the file is of `size_bytes` now, where it takes it for smaller. Whoever
// makes something of the file's size has to ask again.
int SendFuseGrown(int fd, uint64_t size_bytes);

}  // namespace berth
