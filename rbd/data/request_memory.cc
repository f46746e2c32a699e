#include "rbd/data/request_memory.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace berth {
namespace {

struct SizeClass {
  size_t bytes;
  size_t count;
};
// What databases and file systems send, what readahead sends, and the largest that there is: 12 MiB
// for each image, 152 requests in flight. Each descriptor's reader has one of the largest besides.
constexpr std::array<SizeClass, 3> kSizeClasses = {
    {{size_t{16} * 1024, 128}, {size_t{128} * 1024, 16}, {kFuseRequestBytes, 8}}};

constexpr std::array<char, 8> kMagic = {'b', 'e', 'r', 't', 'h', 'r', 'q', '\0'};
constexpr uint32_t kLayout = 1;
constexpr size_t kPageBytes = 4096;

constexpr size_t RoundUp(size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

// By hand, because MAP_POPULATE does nothing after mlockall with MCL_ONFAULT.
void Touch(char* data, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += kPageBytes) {
    volatile char& byte = data[offset];
    byte = byte;
  }
}

}  // namespace

struct RequestMemory::Header {
  std::array<char, 8> magic;
  uint32_t layout;
  uint32_t record_bytes;
  uint32_t buffers;
  std::atomic<uint32_t> negotiated;
  std::atomic<uint32_t> resend;
  uint32_t reserved;
};

StatusOr<Fd> RequestMemory::MakeFile(size_t descriptors) {
  std::vector<size_t> buffers(descriptors, kFuseRequestBytes);
  for (const SizeClass& size_class : kSizeClasses) {
    buffers.insert(buffers.end(), size_class.count, size_class.bytes);
  }
  size_t bytes = RoundUp(sizeof(Header) + buffers.size() * sizeof(RequestRecord));
  std::vector<size_t> offsets;
  for (const size_t buffer : buffers) {
    offsets.push_back(bytes);
    bytes += RoundUp(buffer);
  }
  Fd file(memfd_create("berth-requests", MFD_CLOEXEC));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    return ErrnoError(errno, fmt::format("take {} bytes for requests", bytes));
  }
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return ErrnoError(errno, "map the memory for requests");
  const RequestMemory memory(static_cast<char*>(data), bytes);
  memory.header().magic = kMagic;
  memory.header().layout = kLayout;
  memory.header().record_bytes = sizeof(RequestRecord);
  memory.header().buffers = static_cast<uint32_t>(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    memory.record(i).buffer_offset = offsets[i];
    memory.record(i).buffer_bytes = buffers[i];
  }
  return file;
}

StatusOr<RequestMemory> RequestMemory::Map(const Fd& file) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return ErrnoError(errno, "look at the memory for requests");
  const size_t bytes = static_cast<size_t>(status.st_size);
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return ErrnoError(errno, "map the memory for requests");
  RequestMemory memory(static_cast<char*>(data), bytes);
  if (!memory.IsSound()) {
    return absl::FailedPreconditionError(
        "the memory for requests was made by another version that is too far away");
  }
  Touch(memory.data_, bytes);
  return memory;
}

RequestMemory::RequestMemory(RequestMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

RequestMemory::~RequestMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

bool RequestMemory::IsSound() const {
  if (bytes_ < sizeof(Header) || header().magic != kMagic || header().layout != kLayout)
    return false;
  const size_t record_bytes = header().record_bytes;
  if (record_bytes < sizeof(RequestRecord)) return false;
  if ((bytes_ - sizeof(Header)) / record_bytes < header().buffers) return false;
  for (size_t i = 0; i < size(); ++i) {
    const RequestRecord& buffer = record(i);
    if (buffer.buffer_bytes > bytes_ || buffer.buffer_offset > bytes_ - buffer.buffer_bytes) {
      return false;
    }
  }
  return true;
}

RequestMemory::Header& RequestMemory::header() const { return *reinterpret_cast<Header*>(data_); }

size_t RequestMemory::size() const { return header().buffers; }

RequestRecord& RequestMemory::record(size_t buffer) const {
  return *reinterpret_cast<RequestRecord*>(data_ + sizeof(Header) + buffer * header().record_bytes);
}

std::span<char> RequestMemory::bytes(size_t buffer) const {
  return {data_ + record(buffer).buffer_offset, record(buffer).buffer_bytes};
}

std::optional<FuseNegotiation> RequestMemory::negotiated() const {
  if (header().negotiated.load() == 0) return std::nullopt;
  return FuseNegotiation{.resend = header().resend.load() != 0};
}

void RequestMemory::set_negotiated(const FuseNegotiation& agreed) {
  header().resend = agreed.resend ? 1 : 0;
  header().negotiated = 1;
}

StatusOr<Fd> LockRequestMemory(const Fd& file) {
  // A lock belongs to an opening of the file, and `file` is one that others hold as well.
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  Fd own(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!own.valid()) return ErrnoError(errno, "open the memory for requests");
  while (flock(own.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return ErrnoError(errno, "lock the memory for requests");
  }
  return own;
}

}  // namespace berth
