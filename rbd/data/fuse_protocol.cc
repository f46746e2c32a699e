#include "rbd/data/fuse_protocol.h"

#include <linux/fuse.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace berth {
namespace {

// Newer than Debian 12's linux/fuse.h (7.38): the kernel's interface of 7.40.
constexpr uint64_t kHasResend = 1ULL << 39;
constexpr int kNotifyResend = 7;

constexpr uint32_t kOurMinor = 38;
constexpr uint64_t kRootInode = FUSE_ROOT_ID;
// The file never changes behind the kernel's back, so what it knows about it stays valid; a
// LOOP_GET_STATUS64 then needs no answer from a server that may be dead.
constexpr uint64_t kAttributesValid_s = 365ULL * 24 * 3600;
constexpr uint32_t kBlockBytes = 4096;
// How many reads and writes may be in flight that nobody waits for (direct I/O of the loop device).
constexpr uint16_t kMaxBackground = 512;

template <typename Argument>
std::optional<Argument> ReadArgument(std::span<const char> arguments) {
  if (arguments.size() < sizeof(Argument)) return std::nullopt;
  Argument argument;
  std::memcpy(&argument, arguments.data(), sizeof argument);
  return argument;
}

// The kernel of an old interface sends a shorter fuse_init_in; what is missing is zero.
fuse_init_in ReadInit(std::span<const char> arguments) {
  fuse_init_in init = {};
  std::memcpy(&init, arguments.data(), std::min(arguments.size(), sizeof init));
  return init;
}

FuseOperation OperationOf(uint32_t opcode) {
  switch (opcode) {
    case FUSE_INIT:
      return FuseOperation::kInit;
    case FUSE_GETATTR:
      return FuseOperation::kGetAttributes;
    case FUSE_SETATTR:
      return FuseOperation::kSetAttributes;
    case FUSE_OPEN:
      return FuseOperation::kOpen;
    case FUSE_STATFS:
      return FuseOperation::kStatFs;
    case FUSE_READ:
      return FuseOperation::kRead;
    case FUSE_WRITE:
      return FuseOperation::kWrite;
    case FUSE_FSYNC:
      return FuseOperation::kSync;
    case FUSE_FALLOCATE:
      return FuseOperation::kAllocate;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_ACCESS:
    case FUSE_DESTROY:
      return FuseOperation::kAcknowledge;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return FuseOperation::kNoAnswer;
    default:
      return FuseOperation::kUnsupported;
  }
}

// Fills in what the operation carries; false when the message is too short for it.
bool ReadArguments(std::span<const char> arguments, FuseRequest& request) {
  switch (request.operation) {
    case FuseOperation::kInit: {
      const fuse_init_in init = ReadInit(arguments);
      request.kernel_minor = init.minor;
      request.kernel_flags = init.flags;
      if (init.flags & FUSE_INIT_EXT) request.kernel_flags |= uint64_t{init.flags2} << 32;
      return true;
    }
    case FuseOperation::kSetAttributes: {
      const auto set = ReadArgument<fuse_setattr_in>(arguments);
      if (!set) return false;
      request.mode = set->valid;
      return true;
    }
    case FuseOperation::kRead: {
      const auto read = ReadArgument<fuse_read_in>(arguments);
      if (!read) return false;
      request.offset = read->offset;
      request.length = read->size;
      return true;
    }
    case FuseOperation::kWrite: {
      const auto write = ReadArgument<fuse_write_in>(arguments);
      if (!write || arguments.size() - sizeof *write < write->size) return false;
      request.offset = write->offset;
      request.length = write->size;
      request.data = arguments.subspan(sizeof *write, write->size);
      return true;
    }
    case FuseOperation::kAllocate: {
      const auto allocate = ReadArgument<fuse_fallocate_in>(arguments);
      if (!allocate) return false;
      request.offset = allocate->offset;
      request.length = allocate->length;
      request.mode = allocate->mode;
      return true;
    }
    case FuseOperation::kGetAttributes:
    case FuseOperation::kOpen:
    case FuseOperation::kStatFs:
    case FuseOperation::kSync:
    case FuseOperation::kAcknowledge:
    case FuseOperation::kNoAnswer:
    case FuseOperation::kUnsupported:
      return true;
  }
  return false;
}

int Send(int fd, uint64_t unique, int error, std::span<const char> data) {
  fuse_out_header header = {};
  header.len = static_cast<uint32_t>(sizeof header + data.size());
  header.error = error;
  header.unique = unique;
  const iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(data.data()), data.size()}};
  return writev(fd, parts, data.empty() ? 1 : 2) < 0 ? errno : 0;
}

template <typename Answer>
int SendAnswer(int fd, uint64_t unique, const Answer& answer) {
  return Send(fd, unique, 0, {reinterpret_cast<const char*>(&answer), sizeof answer});
}

}  // namespace

StatusOr<FuseRequest> ParseFuseRequest(std::span<const char> message) {
  const auto header = ReadArgument<fuse_in_header>(message);
  if (!header || header->len != message.size()) {
    return absl::InvalidArgumentError(
        fmt::format("FUSE message of {} bytes does not match its header", message.size()));
  }
  FuseRequest request;
  request.operation = OperationOf(header->opcode);
  request.unique = header->unique;
  if (!ReadArguments(message.subspan(sizeof *header), request)) {
    return absl::InvalidArgumentError(fmt::format(
        "FUSE message of {} bytes is too short for opcode {}", message.size(), header->opcode));
  }
  return request;
}

int SendFuseError(int fd, uint64_t unique, int error) { return Send(fd, unique, -error, {}); }

int SendFuseData(int fd, uint64_t unique, std::span<const char> data) {
  return Send(fd, unique, 0, data);
}

int SendFuseWritten(int fd, uint64_t unique, uint32_t bytes) {
  fuse_write_out answer = {};
  answer.size = bytes;
  return SendAnswer(fd, unique, answer);
}

int SendFuseOpened(int fd, uint64_t unique) {
  fuse_open_out answer = {};
  answer.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
  return SendAnswer(fd, unique, answer);
}

int SendFuseAttributes(int fd, uint64_t unique, uint64_t size_bytes) {
  fuse_attr_out answer = {};
  answer.attr_valid = kAttributesValid_s;
  answer.attr.ino = kRootInode;
  answer.attr.size = size_bytes;
  answer.attr.blocks = size_bytes / 512;
  answer.attr.mode = S_IFREG | S_IRUSR | S_IWUSR;
  answer.attr.nlink = 1;
  answer.attr.blksize = kBlockBytes;
  return SendAnswer(fd, unique, answer);
}

int SendFuseStatFs(int fd, uint64_t unique, uint64_t size_bytes) {
  fuse_statfs_out answer = {};
  answer.st.blocks = size_bytes / kBlockBytes;
  answer.st.bsize = kBlockBytes;  // becomes the loop device's discard granularity
  answer.st.frsize = kBlockBytes;
  answer.st.namelen = 255;
  return SendAnswer(fd, unique, answer);
}

int SendFuseInit(int fd, const FuseRequest& request, bool resend, FuseNegotiation& agreed) {
  constexpr uint64_t kWanted =
      FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES | FUSE_INIT_EXT;
  const uint64_t flags = request.kernel_flags & (kWanted | (resend ? kHasResend : 0));
  agreed.resend = (flags & kHasResend) != 0;
  fuse_init_out answer = {};
  answer.major = FUSE_KERNEL_VERSION;
  answer.minor = kOurMinor;
  answer.flags = static_cast<uint32_t>(flags);
  answer.flags2 = static_cast<uint32_t>(flags >> 32);
  answer.max_background = kMaxBackground;
  answer.congestion_threshold = kMaxBackground;
  answer.max_write = kFuseMaxTransferBytes;
  answer.max_pages = kFuseMaxTransferBytes / 4096;
  answer.time_gran = 1;
  return SendAnswer(fd, request.unique, answer);
}

// A message of the server's own has `unique` 0 and its code in place of the error.
int SendFuseResend(int fd) { return Send(fd, 0, kNotifyResend, {}); }

// By its last byte, which is stored in a page that is not up to date and so is never read: the only
// notification that changes a size without somebody asking for it.
int SendFuseGrown(int fd, uint64_t size_bytes) {
  struct {
    fuse_notify_store_out store;
    char byte;
  } __attribute__((packed)) message = {};
  message.store.nodeid = FUSE_ROOT_ID;
  message.store.offset = size_bytes - 1;
  message.store.size = 1;
  return Send(fd, 0, FUSE_NOTIFY_STORE, {reinterpret_cast<const char*>(&message), sizeof message});
}

}  // namespace berth
