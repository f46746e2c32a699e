// What a server finds in the memory of one that died, when the kernel cannot send requests again.

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "rbd/data/fuse_server.h"
#include "rbd/data/memory_backend.h"
#include "rbd/data/testing/fake_kernel.h"

namespace berth {
namespace {

// What is in `file` now, in another file: the memory as a server leaves it that dies now.
Fd CopyOf(const Fd& file) {
  struct stat status = {};
  EXPECT_EQ(fstat(file.get(), &status), 0);
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  EXPECT_EQ(pread(file.get(), bytes.data(), bytes.size(), 0), status.st_size);
  Fd copy = *RequestMemory::MakeFile(1);
  EXPECT_EQ(pwrite(copy.get(), bytes.data(), bytes.size(), 0), status.st_size);
  return copy;
}

// Of the write with this number: apart from all others.
uint64_t Place(uint64_t unique) { return unique << 19; }

std::string WriteMessage(uint64_t unique, uint64_t offset, const std::string& data) {
  fuse_in_header header = {};
  fuse_write_in write = {};
  header.len = static_cast<uint32_t>(sizeof header + sizeof write + data.size());
  header.opcode = FUSE_WRITE;
  header.unique = unique;
  write.offset = offset;
  write.size = static_cast<uint32_t>(data.size());
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  message.append(reinterpret_cast<const char*>(&write), sizeof write);
  return message + data;
}

class ReplayTest : public ::testing::Test {
 protected:
  ReplayTest() { memory_.set_negotiated({.resend = false}); }
  ~ReplayTest() override { EndServer(); }

  // Serves with what is in memory_.
  void StartServer() {
    server_ = std::make_unique<FuseServer>(std::vector<int>{kernel_.server_fd()}, backend_, memory_,
                                           FuseServer::Options{});
    served_ = std::async(std::launch::async, [this] { return server_->Serve(); });
  }
  void EndServer() {
    if (!served_.valid()) return;
    kernel_.HangUp();
    EXPECT_EQ(served_.get(), absl::OkStatus());
  }
  // A write as a dead server left it in `buffer`.
  void Leave(size_t buffer, BufferState state, uint64_t unique, uint64_t offset,
             const std::string& data) {
    RequestRecord& record = memory_.record(buffer);
    record.unique = unique;
    record.operation = FuseOperation::kWrite;
    record.offset = offset;
    record.length = data.size();
    std::memcpy(memory_.bytes(buffer).data(), data.data(), data.size());
    record.state = state;
  }
  void LeaveMessage(size_t buffer, const std::string& message) {
    std::memcpy(memory_.bytes(buffer).data(), message.data(), message.size());
    memory_.record(buffer).state = BufferState::kReading;
  }
  std::string Stored(uint64_t offset, size_t bytes) {
    return kernel_.Read(offset, static_cast<uint32_t>(bytes)).data;
  }

  Fd file_ = *RequestMemory::MakeFile(1);
  RequestMemory memory_ = *RequestMemory::Map(file_);
  MemoryBackend backend_{4 << 20};
  Kernel kernel_;
  std::unique_ptr<FuseServer> server_;
  std::future<Status> served_;
};

TEST_F(ReplayTest, WhatWasStartedIsDoneAgain) {
  HoldingBackend holding;
  Kernel first_kernel;
  FuseServer first({first_kernel.server_fd()}, holding, memory_, {});
  auto served = std::async(std::launch::async, [&first] { return first.Serve(); });
  const std::vector<size_t> sizes = {512, 16384, 100'000, size_t{1} << 20};
  uint64_t unique = 0;
  for (const size_t size : sizes) {
    ++unique;
    first_kernel.SendRaw(WriteMessage(unique, Place(unique), std::string(size, 'a')));
  }
  ASSERT_TRUE(holding.Holds(sizes.size()));
  const Fd left = CopyOf(file_);
  for (size_t i = 0; i < sizes.size(); ++i) holding.LetOneGo();
  first_kernel.HangUp();
  EXPECT_EQ(served.get(), absl::OkStatus());

  Kernel kernel;
  RequestMemory memory = *RequestMemory::Map(left);
  FuseServer second({kernel.server_fd()}, backend_, memory, {});
  served = std::async(std::launch::async, [&second] { return second.Serve(); });
  std::set<uint64_t> answered;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Kernel::Answer answer = kernel.Receive();
    EXPECT_EQ(answer.header.error, 0);
    answered.insert(answer.header.unique);
  }
  EXPECT_EQ(answered, (std::set<uint64_t>{1, 2, 3, 4}));
  unique = 0;
  for (const size_t size : sizes) {
    ++unique;
    EXPECT_TRUE(kernel.Read(Place(unique), static_cast<uint32_t>(size)).data ==
                std::string(size, 'a'))
        << size;
  }
  kernel.HangUp();
  EXPECT_EQ(served.get(), absl::OkStatus());
  for (size_t i = 0; i < memory.size(); ++i) {
    EXPECT_EQ(memory.record(i).state, BufferState::kFree) << i;
  }
}

TEST_F(ReplayTest, WhatWasDoneIsAnsweredAndNotDoneAgain) {
  Leave(3, BufferState::kAnswering, 7, 0, "old");
  StartServer();
  const Kernel::Answer answer = kernel_.Receive();
  EXPECT_EQ(answer.header.unique, 7U);
  EXPECT_EQ(answer.header.error, 0);
  EXPECT_EQ(Stored(0, 3), std::string(3, '\0'))
      << "a newer write may have been answered since, which must not be overwritten";
}

TEST_F(ReplayTest, AReadThatWasDoneIsAnsweredWithItsData) {
  Leave(3, BufferState::kAnswering, 9, 0, "data");
  memory_.record(3).operation = FuseOperation::kRead;
  StartServer();
  EXPECT_EQ(kernel_.Receive().data, "data");
}

TEST_F(ReplayTest, WhatWasReadAndNotRecordedIsANewRequest) {
  LeaveMessage(0, WriteMessage(5, 4096, std::string(512, 'n')));
  StartServer();
  EXPECT_EQ(kernel_.Receive().header.unique, 5U);
  EXPECT_EQ(Stored(4096, 512), std::string(512, 'n'));
}

TEST_F(ReplayTest, WhatIsFoundInTwoPlacesIsDoneOnce) {
  LeaveMessage(0, WriteMessage(5, 0, "same"));
  Leave(3, BufferState::kStarted, 5, 0, "same");
  StartServer();
  EXPECT_EQ(kernel_.Receive().header.unique, 5U);
  const Kernel::Answer next = kernel_.Read(0, 4);
  EXPECT_EQ(next.data, "same") << "this, and not a second answer to the write, comes next";
}

TEST_F(ReplayTest, AnEmptyReadersBufferIsNothing) {
  memory_.record(0).state = BufferState::kReading;
  StartServer();
  EXPECT_EQ(kernel_.Write(0, "x"), 0);
}

TEST_F(ReplayTest, ARecordThatCannotBeIsAnsweredWithAnError) {
  Leave(3, BufferState::kStarted, 5, uint64_t{1} << 40, "beyond the end");
  Leave(4, BufferState::kStarted, 6, 0, "x");
  memory_.record(4).descriptor = 9;  // there is none to answer on
  StartServer();
  const Kernel::Answer answer = kernel_.Receive();
  EXPECT_EQ(answer.header.unique, 5U);
  EXPECT_EQ(answer.header.error, -EIO);
  EXPECT_EQ(kernel_.Write(0, "x"), 0);
}

}  // namespace
}  // namespace berth
