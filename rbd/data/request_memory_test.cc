#include "rbd/data/request_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <vector>

namespace berth {
namespace {

bool IsResident(std::span<char> bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((bytes.size() + page - 1) / page);
  EXPECT_EQ(mincore(bytes.data(), bytes.size(), pages.data()), 0);
  return std::all_of(pages.begin(), pages.end(), [](unsigned char in) { return (in & 1) != 0; });
}

TEST(RequestMemory, IsThereFromTheBeginning) {
  const RequestMemory memory = *RequestMemory::Map(*RequestMemory::MakeFile(2));
  ASSERT_GT(memory.size(), 100U);
  for (size_t i = 0; i < memory.size(); ++i) EXPECT_TRUE(IsResident(memory.bytes(i))) << i;
}

TEST(RequestMemory, IsThereAlsoWhenTheProcessLocksOnFault) {
  const Fd file = *RequestMemory::MakeFile(1);
  ASSERT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT), 0);
  EXPECT_TRUE(IsResident(RequestMemory::Map(file)->bytes(0)));
  munlockall();
}

TEST(RequestMemory, HasABufferForEachReaderAndOneMoreForTheLargest) {
  const RequestMemory memory = *RequestMemory::Map(*RequestMemory::MakeFile(3));
  size_t largest = 0;
  for (size_t i = 0; i < memory.size(); ++i) {
    if (memory.bytes(i).size() >= kFuseRequestBytes) ++largest;
  }
  EXPECT_GT(largest, 3U);
}

TEST(RequestMemory, OutlivesWhoMappedIt) {
  const Fd file = *RequestMemory::MakeFile(1);
  {
    RequestMemory memory = *RequestMemory::Map(file);
    memory.record(2).unique = 42;
    memory.bytes(2)[0] = 'x';
    memory.set_negotiated({.resend = true});
  }
  const RequestMemory memory = *RequestMemory::Map(file);
  EXPECT_EQ(memory.record(2).unique, 42U);
  EXPECT_EQ(memory.bytes(2)[0], 'x');
  EXPECT_TRUE(memory.negotiated()->resend);
}

TEST(RequestMemory, WhatIsNoneIsRefused) {
  const Fd file = *RequestMemory::MakeFile(1);
  const uint32_t layout = 99;
  ASSERT_EQ(pwrite(file.get(), &layout, sizeof layout, 8), static_cast<ssize_t>(sizeof layout));
  EXPECT_EQ(RequestMemory::Map(file).status().code(), absl::StatusCode::kFailedPrecondition);
  const Fd empty(memfd_create("empty", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(empty.get(), 16), 0);
  EXPECT_EQ(RequestMemory::Map(empty).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(RequestMemory, BelongsToOneAtATime) {
  const Fd file = *RequestMemory::MakeFile(1);
  Fd first = *LockRequestMemory(file);
  auto second = std::async(std::launch::async, [&file] { return LockRequestMemory(file).ok(); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  first.Reset();
  EXPECT_TRUE(second.get());
}

}  // namespace
}  // namespace berth
