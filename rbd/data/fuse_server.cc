#include "rbd/data/fuse_server.h"

#include <linux/falloc.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace berth {
namespace {

// From here on a write is not copied: it stays where it was read, and the reader goes on with
// another buffer.
constexpr size_t kLargestCopiedWrite = size_t{128} * 1024;
constexpr absl::Duration kInterruptAgain = absl::Milliseconds(2);

}  // namespace

// One buffer of the memory and its record.
class FuseServer::Operation final : public BlockBackend::Completion {
 public:
  Operation(FuseServer& server, RequestRecord& record, std::span<char> bytes)
      : server_(server), record_(record), bytes_(bytes) {}

  RequestRecord& record() { return record_; }
  std::span<char> bytes() const { return bytes_; }
  int fd() const { return server_.descriptors_[record_.descriptor]; }

  void BeginReading(size_t descriptor) {
    record_.descriptor = static_cast<uint32_t>(descriptor);
    ClearMessage();
    record_.state.store(BufferState::kReading, std::memory_order_release);
  }
  // The first word of a message is its length.
  void ClearMessage() {
    std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(bytes_.data()))
        .store(0, std::memory_order_release);
  }
  // The message in the buffer; empty when there is none.
  std::span<const char> message() const {
    uint32_t length = 0;
    std::memcpy(&length, bytes_.data(), sizeof length);
    return {bytes_.data(), std::min<size_t>(length, bytes_.size())};
  }

  void Record(const FuseRequest& request, size_t descriptor, uint64_t length,
              uint32_t data_offset) {
    NoteStart();
    record_.descriptor = static_cast<uint32_t>(descriptor);
    record_.unique = request.unique;
    record_.operation = request.operation;
    record_.error = 0;
    record_.offset = request.offset;
    record_.length = length;
    record_.mode = request.mode;
    record_.data_offset = data_offset;
    record_.state.store(BufferState::kStarted, std::memory_order_release);
  }

  void Complete(int error) override {
    if (error == ESHUTDOWN) {
      server_.NoteFenced();
      error = EIO;
    }
    record_.error = error;
    record_.state.store(BufferState::kAnswering, std::memory_order_release);
    SendAnswer();
    server_.GiveBack(*this);
  }

  // The answer's own errors are the kernel's affair: it has given the request up (ENOENT), or the
  // connection has ended, which the readers notice.
  void SendAnswer() {
    if (record_.error != 0) {
      SendFuseError(fd(), record_.unique, record_.error);
    } else if (record_.operation == FuseOperation::kRead) {
      SendFuseData(fd(), record_.unique, bytes_.first(record_.length));
    } else if (record_.operation == FuseOperation::kWrite) {
      SendFuseWritten(fd(), record_.unique, static_cast<uint32_t>(record_.length));
    } else {
      SendFuseError(fd(), record_.unique, 0);
    }
  }

  void NoteStart() { started_ns_ = absl::GetCurrentTimeNanos(); }
  // Zero while the backend has nothing of it to do.
  absl::Duration Waiting() const {
    if (record_.state.load(std::memory_order_acquire) != BufferState::kStarted) return {};
    return absl::Nanoseconds(absl::GetCurrentTimeNanos() - started_ns_);
  }

  // Whether the record can be one that a server of this connection wrote.
  bool IsSound(uint64_t size_bytes) const {
    if (record_.offset > size_bytes || record_.length > size_bytes - record_.offset) return false;
    if (record_.operation == FuseOperation::kRead) return record_.length <= bytes_.size();
    if (record_.operation != FuseOperation::kWrite) return true;
    return record_.data_offset <= bytes_.size() &&
           record_.length <= bytes_.size() - record_.data_offset;
  }

 private:
  FuseServer& server_;
  RequestRecord& record_;
  const std::span<char> bytes_;
  std::atomic<int64_t> started_ns_ = 0;
};

FuseServer::FuseServer(std::vector<int> descriptors, BlockBackend& backend, RequestMemory& memory,
                       Options options)
    : descriptors_(std::move(descriptors)),
      backend_(backend),
      memory_(memory),
      options_(std::move(options)) {
  const auto free = free_.Lock();
  for (size_t i = 0; i < memory_.size(); ++i) {
    operations_.push_back(std::make_unique<Operation>(*this, memory_.record(i), memory_.bytes(i)));
    free->of_size[memory_.bytes(i).size()].reserve(memory_.size());
  }
}

FuseServer::~FuseServer() = default;

Status FuseServer::Serve() {
  BERTH_RETURN_IF_ERROR(GoOn());
  std::vector<Status> ends(descriptors_.size());
  std::vector<std::thread> readers;
  for (size_t i = 1; i < descriptors_.size(); ++i) {
    readers.emplace_back([this, i, &ends] { ends[i] = ReadRequests(i); });
  }
  ends[0] = ReadRequests(0);
  for (std::thread& reader : readers) reader.join();
  auto free = free_.Lock();
  free.WaitUntil(absl::InfiniteFuture(),
                 [this, &free] { return free->count == operations_.size(); });
  for (const Status& end : ends) BERTH_RETURN_IF_ERROR(end);
  return absl::OkStatus();
}

// Exactly one of the two ways: a request that came by both would be done a second time after its
// answer.
Status FuseServer::GoOn() {
  const std::optional<FuseNegotiation> negotiated = memory_.negotiated();
  if (!negotiated || !negotiated->resend) {
    Replay();
    return absl::OkStatus();
  }
  for (const auto& operation : operations_) GiveBack(*operation);
  const int error = SendFuseResend(descriptors_[0]);
  if (error == 0 || error == ENODEV) return absl::OkStatus();
  return ErrnoError(error, "ask the kernel for the requests of the dead I/O process");
}

void FuseServer::Replay() {
  std::vector<Operation*> read;
  std::vector<Operation*> started;
  std::set<uint64_t> recorded;
  for (const auto& operation : operations_) {
    const BufferState state = operation->record().state.load(std::memory_order_acquire);
    const bool known = operation->record().descriptor < descriptors_.size();
    const bool sound = known && operation->IsSound(backend_.size_bytes());
    if (state == BufferState::kStarted || state == BufferState::kAnswering) {
      recorded.insert(operation->record().unique);
    }
    if (state == BufferState::kReading && known) {
      read.push_back(operation.get());
    } else if (state == BufferState::kStarted && sound) {
      started.push_back(operation.get());
    } else {
      const bool done = state == BufferState::kAnswering;
      if (!sound) operation->record().error = EIO;
      if (known && (done || state == BufferState::kStarted)) operation->SendAnswer();
      GiveBack(*operation);
    }
  }
  for (Operation* operation : started) {
    operation->NoteStart();
    Submit(*operation);
  }
  for (Operation* operation : read) {
    const auto request = ParseFuseRequest(operation->message());
    if (request.ok() && !recorded.contains(request->unique))
      operation = Handle(*request, operation);
    GiveBack(*operation);
  }
}

void FuseServer::Stop() {
  struct sigaction interrupt = {};
  interrupt.sa_handler = [](int) {};  // without SA_RESTART: read(2) returns
  sigaction(SIGUSR1, &interrupt, nullptr);
  stopping_ = true;
  auto readers = readers_.Lock();
  do {  // again, because a signal before the read would be lost
    for (const pthread_t reader : *readers) pthread_kill(reader, SIGUSR1);
  } while (!readers.WaitUntil(absl::Now() + kInterruptAgain, [&] { return readers->empty(); }));
}

Status FuseServer::ReadRequests(size_t descriptor) {
  readers_.Lock()->insert(pthread_self());
  Operation* reading = &Take(kFuseRequestBytes);
  reading->BeginReading(descriptor);
  const Status status = ReadUntilEnd(descriptor, reading);
  GiveBack(*reading);
  auto readers = readers_.Lock();
  readers->erase(pthread_self());
  readers.NotifyAll();
  return status;
}

Status FuseServer::ReadUntilEnd(size_t descriptor, Operation*& reading) {
  const int fd = descriptors_[descriptor];
  while (!stopping_) {
    const ssize_t count = read(fd, reading->bytes().data(), kFuseRequestBytes);
    if (count < 0) {
      // ENOENT: the request that was next has been given up. EAGAIN, EINTR: nothing was read.
      const int error = errno;
      reading->ClearMessage();
      if (error == EINTR || error == EAGAIN || error == ENOENT) continue;
      // ECONNABORTED: it ended while the last request was being read.
      if (error == ENODEV || error == ECONNABORTED) return absl::OkStatus();
      return ErrnoError(error, "read from /dev/fuse");
    }
    if (count == 0) return absl::OkStatus();
    BERTH_ASSIGN_OR_RETURN(const FuseRequest request,
                           ParseFuseRequest({reading->bytes().data(), static_cast<size_t>(count)}));
    reading = Handle(request, reading);
    reading->ClearMessage();
  }
  return absl::OkStatus();
}

FuseServer::Operation* FuseServer::Handle(const FuseRequest& request, Operation* reading) {
  const int fd = reading->fd();
  switch (request.operation) {
    case FuseOperation::kInit: {
      FuseNegotiation agreed;
      if (SendFuseInit(fd, request, options_.resend, agreed) == 0) memory_.set_negotiated(agreed);
      return reading;
    }
    case FuseOperation::kSetAttributes:
      if (request.mode & FATTR_SIZE) {
        SendFuseError(fd, request.unique, EOPNOTSUPP);  // an image is resized by RBD alone
        return reading;
      }
      [[fallthrough]];
    case FuseOperation::kGetAttributes:
      SendFuseAttributes(fd, request.unique, backend_.size_bytes());
      return reading;
    case FuseOperation::kOpen:
      SendFuseOpened(fd, request.unique);
      return reading;
    case FuseOperation::kStatFs:
      SendFuseStatFs(fd, request.unique, backend_.size_bytes());
      return reading;
    case FuseOperation::kRead:
      StartRead(request, *reading);
      return reading;
    case FuseOperation::kWrite:
      return StartWrite(request, reading);
    case FuseOperation::kSync:
      StartSync(request, *reading);
      return reading;
    case FuseOperation::kAllocate:
      StartAllocate(request, *reading);
      return reading;
    case FuseOperation::kAcknowledge:
      SendFuseError(fd, request.unique, 0);
      return reading;
    case FuseOperation::kNoAnswer:
      return reading;
    case FuseOperation::kUnsupported:
      SendFuseError(fd, request.unique, ENOSYS);
      return reading;
  }
  return reading;
}

void FuseServer::StartRead(const FuseRequest& request, Operation& reading) {
  const uint64_t size = backend_.size_bytes();
  if (request.offset >= size || request.length == 0) {
    SendFuseData(reading.fd(), request.unique, {});
    return;
  }
  const uint64_t length = std::min(request.length, size - request.offset);
  if (length > kFuseMaxTransferBytes) {
    SendFuseError(reading.fd(), request.unique, EINVAL);
    return;
  }
  if (fenced_) {
    SendFuseError(reading.fd(), request.unique, EIO);
    return;
  }
  StartElsewhere(request, length, reading);
}

FuseServer::Operation* FuseServer::StartWrite(const FuseRequest& request, Operation* reading) {
  const uint64_t size = backend_.size_bytes();
  const int fd = reading->fd();
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
    return reading;
  }
  if (request.data.size() <= kLargestCopiedWrite) {
    StartElsewhere(request, request.length, *reading);
    return reading;
  }
  Operation& next = Take(kFuseRequestBytes);
  const size_t descriptor = reading->record().descriptor;
  next.BeginReading(descriptor);
  reading->Record(request, descriptor, request.length,
                  static_cast<uint32_t>(request.data.data() - reading->bytes().data()));
  Submit(*reading);
  return &next;
}

void FuseServer::StartSync(const FuseRequest& request, Operation& reading) {
  if (options_.read_only || fenced_) {
    SendFuseError(reading.fd(), request.unique, fenced_ ? EIO : 0);
    return;
  }
  StartElsewhere(request, 0, reading);
}

void FuseServer::StartAllocate(const FuseRequest& request, Operation& reading) {
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
    SendFuseError(reading.fd(), request.unique, error);
    return;
  }
  StartElsewhere(request, std::min(request.length, size - request.offset), reading);
}

// In a buffer of the request's own size. It is recorded there before the message is cleared, and
// started after: what is found in both places after a crash was not started.
void FuseServer::StartElsewhere(const FuseRequest& request, uint64_t length, Operation& reading) {
  const bool with_data =
      request.operation == FuseOperation::kRead || request.operation == FuseOperation::kWrite;
  Operation& operation = Take(with_data ? length : 0);
  if (!request.data.empty()) {
    std::memcpy(operation.bytes().data(), request.data.data(), request.data.size());
  }
  operation.Record(request, reading.record().descriptor, length, 0);
  reading.ClearMessage();
  Submit(operation);
}

void FuseServer::Submit(Operation& operation) {
  const RequestRecord& record = operation.record();
  if (record.operation == FuseOperation::kRead) {
    backend_.Read(record.offset, operation.bytes().first(record.length), operation);
  } else if (record.operation == FuseOperation::kWrite) {
    backend_.Write(record.offset, operation.bytes().subspan(record.data_offset, record.length),
                   operation);
  } else if (record.operation == FuseOperation::kSync) {
    backend_.Flush(operation);
  } else if (record.operation == FuseOperation::kAllocate) {
    backend_.Zero(record.offset, record.length,
                  record.mode & FALLOC_FL_ZERO_RANGE ? BlockBackend::ZeroMode::kKeepAllocated
                                                     : BlockBackend::ZeroMode::kDeallocate,
                  operation);
  } else {
    operation.Complete(EIO);  // of a newer version
  }
}

FuseServer::Operation& FuseServer::Take(size_t bytes) {
  Operation* taken = nullptr;
  auto free = free_.Lock();
  free.WaitUntil(absl::InfiniteFuture(), [&] {
    for (auto size = free->of_size.lower_bound(bytes); size != free->of_size.end(); ++size) {
      if (size->second.empty()) continue;
      taken = size->second.back();
      size->second.pop_back();
      return true;
    }
    return false;
  });
  --free->count;
  return *taken;
}

void FuseServer::GiveBack(Operation& operation) {
  operation.record().state.store(BufferState::kFree, std::memory_order_release);
  auto free = free_.Lock();
  free->of_size[operation.bytes().size()].push_back(&operation);
  ++free->count;
  free.NotifyAll();
}

// The kernel's answer is its affair: before it has asked for the file it knows of none.
void FuseServer::TellSize() { SendFuseGrown(descriptors_[0], backend_.size_bytes()); }

absl::Duration FuseServer::LongestWait() const {
  absl::Duration longest;
  for (const auto& operation : operations_) longest = std::max(longest, operation->Waiting());
  return longest;
}

void FuseServer::NoteFenced() {
  if (!fenced_.exchange(true)) options_.on_fenced();
}

}  // namespace berth
