#include "rbd/data/fuse_server.h"

#include <linux/falloc.h>
#include <linux/fuse.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace berth {
namespace {

struct SizeClass {
  size_t bytes;
  size_t count;
};
// What databases and file systems send, what readahead sends, and the largest that there is:
// 12 MiB for each image, 152 requests in flight.
constexpr std::array<SizeClass, 3> kSizeClasses = {
    {{size_t{16} * 1024, 128}, {size_t{128} * 1024, 16}, {kFuseRequestBytes, 8}}};
// From here on a write is not copied: the reader gives its memory away and goes on with another.
constexpr size_t kLargestCopiedWrite = kSizeClasses[1].bytes;

}  // namespace

class FuseServer::Operation final : public BlockBackend::Completion {
 public:
  Operation(FuseServer& server, size_t size_class, IoMemory memory)
      : server_(server), size_class_(size_class), memory_(std::move(memory)) {}

  void Begin(int fd, const FuseRequest& request) {
    fd_ = fd;
    operation_ = request.operation;
    unique_ = request.unique;
    length_ = request.length;
  }
  void set_length(uint64_t bytes) { length_ = bytes; }
  size_t size_class() const { return size_class_; }
  IoMemory& memory() { return memory_; }

  // The answer's own errors are the kernel's affair: it has given the request up (ENOENT), or the
  // connection has ended, which the readers notice.
  void Complete(int error) override {
    if (error == ESHUTDOWN) {
      server_.NoteFenced();
      error = EIO;
    }
    if (error != 0) {
      SendFuseError(fd_, unique_, error);
    } else if (operation_ == FuseOperation::kRead) {
      SendFuseData(fd_, unique_, {memory_.data(), length_});
    } else if (operation_ == FuseOperation::kWrite) {
      SendFuseWritten(fd_, unique_, static_cast<uint32_t>(length_));
    } else {
      SendFuseError(fd_, unique_, 0);
    }
    server_.GiveBack(*this);
  }

 private:
  FuseServer& server_;
  const size_t size_class_;
  IoMemory memory_;
  int fd_ = -1;
  FuseOperation operation_ = FuseOperation::kUnsupported;
  uint64_t unique_ = 0;
  uint64_t length_ = 0;
};

FuseServer::FuseServer(std::vector<int> descriptors, BlockBackend& backend, Options options)
    : descriptors_(std::move(descriptors)), backend_(backend), options_(std::move(options)) {}

FuseServer::~FuseServer() = default;

StatusOr<std::unique_ptr<FuseServer>> FuseServer::Make(std::vector<int> descriptors,
                                                       BlockBackend& backend, Options options) {
  std::unique_ptr<FuseServer> server(
      new FuseServer(std::move(descriptors), backend, std::move(options)));
  BERTH_RETURN_IF_ERROR(server->TakeMemory());
  return server;
}

Status FuseServer::TakeMemory() {
  for (size_t i = 0; i < descriptors_.size(); ++i) {
    BERTH_ASSIGN_OR_RETURN(IoMemory memory, IoMemory::Make(kFuseRequestBytes));
    reader_memory_.push_back(std::move(memory));
  }
  const auto free = free_.Lock();
  for (size_t size_class = 0; size_class < kSizeClasses.size(); ++size_class) {
    free->of_class[size_class].reserve(kSizeClasses[size_class].count);
    for (size_t i = 0; i < kSizeClasses[size_class].count; ++i) {
      BERTH_ASSIGN_OR_RETURN(IoMemory memory, IoMemory::Make(kSizeClasses[size_class].bytes));
      operations_.push_back(std::make_unique<Operation>(*this, size_class, std::move(memory)));
      free->of_class[size_class].push_back(operations_.back().get());
    }
  }
  free->count = operations_.size();
  return absl::OkStatus();
}

Status FuseServer::Serve() {
  if (options_.inherited) {
    if (!options_.inherited->resend) {
      return absl::FailedPreconditionError(
          "the kernel cannot send the requests of a dead I/O process again (Linux 6.9 can)");
    }
    const int error = SendFuseResend(descriptors_[0]);
    if (error != 0 && error != ENODEV) {
      return ErrnoError(error, "ask the kernel for the requests of the dead I/O process");
    }
  }
  std::vector<Status> ends(descriptors_.size());
  std::vector<std::thread> readers;
  for (size_t i = 1; i < descriptors_.size(); ++i) {
    readers.emplace_back(
        [this, i, &ends] { ends[i] = ReadRequests(descriptors_[i], reader_memory_[i]); });
  }
  ends[0] = ReadRequests(descriptors_[0], reader_memory_[0]);
  for (std::thread& reader : readers) reader.join();
  auto free = free_.Lock();
  free.WaitUntil(absl::InfiniteFuture(),
                 [this, &free] { return free->count == operations_.size(); });
  for (const Status& end : ends) BERTH_RETURN_IF_ERROR(end);
  return absl::OkStatus();
}

Status FuseServer::ReadRequests(int fd, IoMemory& memory) {
  for (;;) {
    const ssize_t count = read(fd, memory.data(), kFuseRequestBytes);
    if (count < 0) {
      // ENOENT: the request that was next has been given up. EAGAIN, EINTR: nothing was read.
      if (errno == EINTR || errno == EAGAIN || errno == ENOENT) continue;
      // ECONNABORTED: it ended while the last request was being read.
      if (errno == ENODEV || errno == ECONNABORTED) return absl::OkStatus();
      return ErrnoError(errno, "read from /dev/fuse");
    }
    if (count == 0) return absl::OkStatus();
    BERTH_ASSIGN_OR_RETURN(const FuseRequest request,
                           ParseFuseRequest({memory.data(), static_cast<size_t>(count)}));
    Handle(fd, request, memory);
  }
}

void FuseServer::Handle(int fd, const FuseRequest& request, IoMemory& memory) {
  switch (request.operation) {
    case FuseOperation::kInit: {
      FuseNegotiation agreed;
      if (SendFuseInit(fd, request, agreed) == 0) options_.on_negotiated(agreed);
      return;
    }
    case FuseOperation::kSetAttributes:
      if (request.mode & FATTR_SIZE) {
        SendFuseError(fd, request.unique, EOPNOTSUPP);  // an image is resized by RBD alone
        return;
      }
      [[fallthrough]];
    case FuseOperation::kGetAttributes:
      SendFuseAttributes(fd, request.unique, backend_.size_bytes());
      return;
    case FuseOperation::kOpen:
      SendFuseOpened(fd, request.unique);
      return;
    case FuseOperation::kStatFs:
      SendFuseStatFs(fd, request.unique, backend_.size_bytes());
      return;
    case FuseOperation::kRead:
      return StartRead(fd, request);
    case FuseOperation::kWrite:
      return StartWrite(fd, request, memory);
    case FuseOperation::kSync:
      return StartSync(fd, request);
    case FuseOperation::kAllocate:
      return StartAllocate(fd, request);
    case FuseOperation::kAcknowledge:
      SendFuseError(fd, request.unique, 0);
      return;
    case FuseOperation::kNoAnswer:
      return;
    case FuseOperation::kUnsupported:
      SendFuseError(fd, request.unique, ENOSYS);
      return;
  }
}

void FuseServer::StartRead(int fd, const FuseRequest& request) {
  const uint64_t size = backend_.size_bytes();
  if (request.offset >= size || request.length == 0) {
    SendFuseData(fd, request.unique, {});
    return;
  }
  const uint64_t length = std::min(request.length, size - request.offset);
  if (length > kFuseMaxTransferBytes) {
    SendFuseError(fd, request.unique, EINVAL);
    return;
  }
  if (fenced_) {
    SendFuseError(fd, request.unique, EIO);
    return;
  }
  Operation& operation = Take(length);
  operation.Begin(fd, request);
  operation.set_length(length);
  backend_.Read(request.offset, {operation.memory().data(), length}, operation);
}

void FuseServer::StartWrite(int fd, const FuseRequest& request, IoMemory& memory) {
  const uint64_t size = backend_.size_bytes();
  int error = 0;
  if (options_.read_only) {
    error = EROFS;
  } else if (request.offset > size || request.length > size - request.offset) {
    error = ENOSPC;
  } else if (fenced_) {
    error = EIO;
  }
  if (error != 0 || request.length == 0) {
    error != 0 ? SendFuseError(fd, request.unique, error) : SendFuseWritten(fd, request.unique, 0);
    return;
  }
  std::span<const char> data = request.data;
  Operation& operation = Take(data.size());
  operation.Begin(fd, request);
  if (data.size() > kLargestCopiedWrite) {
    std::swap(memory, operation.memory());  // `data` stays where it is; its owner is the operation
  } else {
    std::memcpy(operation.memory().data(), data.data(), data.size());
    data = {operation.memory().data(), data.size()};
  }
  backend_.Write(request.offset, data, operation);
}

void FuseServer::StartSync(int fd, const FuseRequest& request) {
  if (options_.read_only || fenced_) {
    SendFuseError(fd, request.unique, fenced_ ? EIO : 0);
    return;
  }
  Operation& operation = Take(0);
  operation.Begin(fd, request);
  backend_.Flush(operation);
}

void FuseServer::StartAllocate(int fd, const FuseRequest& request) {
  const uint64_t size = backend_.size_bytes();
  int error = 0;
  if (options_.read_only) {
    error = EROFS;
  } else if (!(request.mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))) {
    error = EOPNOTSUPP;
  } else if (fenced_) {
    error = EIO;
  }
  if (error != 0 || request.offset >= size || request.length == 0) {
    SendFuseError(fd, request.unique, error);
    return;
  }
  Operation& operation = Take(0);
  operation.Begin(fd, request);
  backend_.Zero(request.offset, std::min(request.length, size - request.offset),
                request.mode & FALLOC_FL_ZERO_RANGE ? BlockBackend::ZeroMode::kKeepAllocated
                                                    : BlockBackend::ZeroMode::kDeallocate,
                operation);
}

FuseServer::Operation& FuseServer::Take(size_t bytes) {
  size_t smallest = 0;
  while (kSizeClasses[smallest].bytes < bytes) ++smallest;
  Operation* taken = nullptr;
  auto free = free_.Lock();
  free.WaitUntil(absl::InfiniteFuture(), [&] {
    for (size_t size_class = smallest; size_class < kSizeClasses.size() && !taken; ++size_class) {
      std::vector<Operation*>& operations = free->of_class[size_class];
      if (operations.empty()) continue;
      taken = operations.back();
      operations.pop_back();
    }
    return taken != nullptr;
  });
  --free->count;
  return *taken;
}

void FuseServer::GiveBack(Operation& operation) {
  auto free = free_.Lock();
  free->of_class[operation.size_class()].push_back(&operation);
  ++free->count;
  free.NotifyAll();
}

void FuseServer::NoteFenced() {
  if (!fenced_.exchange(true)) options_.on_fenced();
}

}  // namespace berth
