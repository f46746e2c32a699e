#include "rbd/data/fuse_server.h"

#include <linux/falloc.h>
#include <linux/fuse.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <string>
#include <thread>

#include "rbd/data/memory_backend.h"
#include "rbd/data/testing/block_backend_contract.h"
#include "rbd/data/testing/fake_kernel.h"

namespace berth {
namespace {

constexpr uint64_t kResendFlag = 1ULL << 39;
class FuseServerTest : public ::testing::Test {
 protected:
  ~FuseServerTest() override {
    kernel_.HangUp();
    if (served_.valid()) {
      EXPECT_EQ(served_.get(), absl::OkStatus());
    }
  }
  void Start(BlockBackend& backend, FuseServer::Options options = {}) {
    server_ = std::make_unique<FuseServer>(std::vector<int>{kernel_.server_fd()}, backend,
                                           requests_, std::move(options));
    served_ = std::async(std::launch::async, [this] { return server_->Serve(); });
  }

  Kernel kernel_;
  MemoryBackend memory_{4 << 20};
  RequestMemory requests_ = *RequestMemory::Map(*RequestMemory::MakeFile(1));
  std::unique_ptr<FuseServer> server_;
  std::future<Status> served_;
};

TEST_F(FuseServerTest, AgreesOnWhatTheKernelOffers) {
  for (const uint64_t offered : {kResendFlag, uint64_t{0}}) {
    FuseRequest request;
    request.operation = FuseOperation::kInit;
    request.kernel_flags = FUSE_ASYNC_DIO | FUSE_MAX_PAGES | offered;
    Kernel kernel;
    FuseNegotiation agreed;
    ASSERT_EQ(SendFuseInit(kernel.server_fd(), request, true, agreed), 0);
    EXPECT_EQ(agreed.resend, offered != 0);
    fuse_init_out answer;
    std::memcpy(&answer, kernel.Receive().data.data(), sizeof answer);
    EXPECT_EQ(answer.flags | uint64_t{answer.flags2} << 32, request.kernel_flags);
    EXPECT_EQ(answer.max_write, 1U << 20);
  }
}

TEST_F(FuseServerTest, RemembersWhatWasNegotiated) {
  EXPECT_FALSE(requests_.negotiated().has_value());
  Start(memory_);
  fuse_init_in init = {};
  init.major = 7;
  init.minor = 45;
  init.flags = FUSE_INIT_EXT | FUSE_ASYNC_DIO;
  init.flags2 = static_cast<uint32_t>(kResendFlag >> 32);
  EXPECT_EQ(kernel_.Call(FUSE_INIT, init).header.error, 0);
  kernel_.Call(FUSE_FLUSH, fuse_flush_in{});  // is read after that was noted
  ASSERT_TRUE(requests_.negotiated().has_value());
  EXPECT_TRUE(requests_.negotiated()->resend);
}

TEST_F(FuseServerTest, AsksForNoResendWhenItMayNot) {
  FuseServer::Options options;
  options.resend = false;
  Start(memory_, std::move(options));
  fuse_init_in init = {};
  init.flags = FUSE_INIT_EXT;
  init.flags2 = static_cast<uint32_t>(kResendFlag >> 32);
  fuse_init_out answer;
  std::memcpy(&answer, kernel_.Call(FUSE_INIT, init).data.data(), sizeof answer);
  EXPECT_EQ(answer.flags2, 0U);
  kernel_.Call(FUSE_FLUSH, fuse_flush_in{});
  EXPECT_FALSE(requests_.negotiated()->resend);
}

TEST_F(FuseServerTest, IsOneFileOfTheBackendsSize) {
  Start(memory_);
  fuse_attr_out attributes;
  const Kernel::Answer answer = kernel_.Call(FUSE_GETATTR, fuse_getattr_in{});
  ASSERT_EQ(answer.data.size(), sizeof attributes);
  std::memcpy(&attributes, answer.data.data(), sizeof attributes);
  EXPECT_EQ(attributes.attr.size, memory_.size_bytes());
  fuse_open_out open;
  std::memcpy(&open, kernel_.Call(FUSE_OPEN, fuse_open_in{}).data.data(), sizeof open);
  EXPECT_EQ(open.open_flags, FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES);
  fuse_setattr_in truncate = {};
  truncate.valid = FATTR_SIZE;
  EXPECT_EQ(kernel_.Call(FUSE_SETATTR, truncate).header.error, -EOPNOTSUPP);
}

TEST_F(FuseServerTest, ReadsWhatWasWritten) {
  Start(memory_);
  for (const size_t size : {size_t{512}, size_t{16384}, size_t{16896}, size_t{131072},
                            size_t{131584}, size_t{1} << 20}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>((i * 7 + size) % 253);
    ASSERT_EQ(kernel_.Write(4096, data), 0) << size;
    EXPECT_TRUE(kernel_.Read(4096, static_cast<uint32_t>(size)).data == data) << size;
  }
}

TEST_F(FuseServerTest, EndsWhereTheDeviceEnds) {
  Start(memory_);
  const uint64_t size = memory_.size_bytes();
  EXPECT_EQ(kernel_.Write(size - 512, std::string(512, 'e')), 0);
  EXPECT_EQ(kernel_.Read(size - 512, 4096).data, std::string(512, 'e'));
  EXPECT_EQ(kernel_.Read(size, 4096).data, "");
  EXPECT_EQ(kernel_.Read(~uint64_t{0}, 4096).data, "");
  EXPECT_EQ(kernel_.Write(size - 512, std::string(1024, 'e')), -ENOSPC);
  EXPECT_EQ(kernel_.Write(~uint64_t{0} - 100, std::string(512, 'e')), -ENOSPC) << "wraps around";
}

TEST_F(FuseServerTest, ZeroesAndSyncs) {
  Start(memory_);
  ASSERT_EQ(kernel_.Write(0, std::string(8192, 'a')), 0);
  EXPECT_EQ(kernel_.Allocate(0, 512, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), 0);
  EXPECT_EQ(kernel_.Allocate(512, 512, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE), 0);
  EXPECT_EQ(kernel_.Allocate(2048, ~uint64_t{0} - 2048, FALLOC_FL_PUNCH_HOLE), 0) << "to the end";
  EXPECT_EQ(kernel_.Allocate(1024, 512, 0), -EOPNOTSUPP);
  EXPECT_EQ(kernel_.Read(0, 4096).data,
            std::string(1024, '\0') + std::string(1024, 'a') + std::string(2048, '\0'));
  EXPECT_EQ(kernel_.Call(FUSE_FSYNC, fuse_fsync_in{}).header.error, 0);
  EXPECT_EQ(memory_.flushes(), 1);
}

TEST_F(FuseServerTest, ReadOnlyNeverChangesTheBackend) {
  FuseServer::Options options;
  options.read_only = true;
  Start(memory_, std::move(options));
  EXPECT_EQ(kernel_.Write(0, "x"), -EROFS);
  EXPECT_EQ(kernel_.Allocate(0, 512, FALLOC_FL_PUNCH_HOLE), -EROFS);
  EXPECT_EQ(kernel_.Call(FUSE_FSYNC, fuse_fsync_in{}).header.error, 0);
  EXPECT_EQ(memory_.flushes(), 0);
  EXPECT_EQ(kernel_.Read(0, 1).data, std::string(1, '\0'));
}

TEST_F(FuseServerTest, AFenceIsToldOnceAndStays) {
  int told = 0;
  FuseServer::Options options;
  options.on_fenced = [&told] { ++told; };
  Start(memory_, std::move(options));
  memory_.FailWith(ENOMEM);
  EXPECT_EQ(kernel_.Write(0, "x"), -ENOMEM);
  EXPECT_EQ(told, 0);
  memory_.FailWith(ESHUTDOWN);
  EXPECT_EQ(kernel_.Write(0, "x"), -EIO);
  memory_.FailWith(0);
  EXPECT_EQ(kernel_.Write(0, "x"), -EIO) << "a fence is for ever";
  EXPECT_EQ(kernel_.Read(0, 1).header.error, -EIO);
  EXPECT_EQ(kernel_.Call(FUSE_FSYNC, fuse_fsync_in{}).header.error, -EIO);
  EXPECT_EQ(told, 1);
}

TEST_F(FuseServerTest, ASuccessorAsksForWhatWasInFlight) {
  requests_.set_negotiated({.resend = true});
  Start(memory_);
  const Kernel::Answer notice = kernel_.Receive();
  EXPECT_EQ(notice.header.unique, 0U);
  EXPECT_EQ(notice.header.error, 7) << "FUSE_NOTIFY_RESEND";
  EXPECT_EQ(kernel_.Write(0, "x"), 0);
}

TEST_F(FuseServerTest, StopsWhileTheConnectionGoesOn) {
  HoldingBackend holding;
  Start(holding);
  fuse_write_in write = {};
  write.size = 1;
  kernel_.Send(FUSE_WRITE, 1, write, "x");
  ASSERT_TRUE(holding.Holds(1));
  server_->Stop();
  kernel_.Send(FUSE_WRITE, 2, write, "y");  // the next server's
  holding.LetOneGo();
  EXPECT_EQ(kernel_.Receive().header.unique, 1U) << "what was read is answered";
  EXPECT_EQ(served_.get(), absl::OkStatus());
  EXPECT_EQ(holding.held(), 0U);
  Start(memory_);
  EXPECT_EQ(kernel_.Receive().header.unique, 2U);
}

TEST_F(FuseServerTest, AnswersWhatItDoesNotKnow) {
  Start(memory_);
  kernel_.Send(FUSE_FORGET, 1, fuse_forget_in{});  // has no answer
  EXPECT_EQ(kernel_.Call(FUSE_LSEEK, fuse_lseek_in{}).header.error, -ENOSYS);
  EXPECT_EQ(kernel_.Call(FUSE_FLUSH, fuse_flush_in{}).header.error, 0);
}

TEST(FuseProtocol, MessagesThatLieAboutTheirLengthAreRefused) {
  EXPECT_FALSE(ParseFuseRequest({}).ok());
  fuse_in_header header = {};
  header.len = sizeof header;
  header.opcode = FUSE_READ;
  const std::string bare(reinterpret_cast<const char*>(&header), sizeof header);
  EXPECT_FALSE(ParseFuseRequest(bare).ok()) << "a read without its arguments";
  header.len = sizeof header + 1;
  std::memcpy(const_cast<char*>(bare.data()), &header, sizeof header);
  EXPECT_FALSE(ParseFuseRequest(bare).ok()) << "shorter than it says";
  header.opcode = FUSE_WRITE;
  header.len = sizeof header + sizeof(fuse_write_in) + 10;
  fuse_write_in write = {};
  write.size = 11;
  std::string message(reinterpret_cast<const char*>(&header), sizeof header);
  message.append(reinterpret_cast<const char*>(&write), sizeof write);
  message.append(10, 'd');
  EXPECT_FALSE(ParseFuseRequest(message).ok()) << "less data than the write says";
}

TEST_F(FuseServerTest, TakesNoMoreThanItHasMemoryFor) {
  HoldingBackend backend;
  Start(backend);
  constexpr size_t kInFlight = 152;
  constexpr size_t kSent = kInFlight + 20;
  fuse_write_in write = {};
  write.size = 512;
  for (size_t i = 0; i < kSent; ++i) kernel_.Send(FUSE_WRITE, i + 1, write, std::string(512, 'w'));
  ASSERT_TRUE(backend.Holds(kInFlight));
  for (size_t i = 0; i < kSent; ++i) {
    ASSERT_TRUE(backend.Holds(std::min(kInFlight, kSent - i)));
    EXPECT_LE(backend.held(), kInFlight);
    backend.LetOneGo();
    EXPECT_EQ(kernel_.Receive().header.error, 0);
  }
}

}  // namespace
}  // namespace berth
