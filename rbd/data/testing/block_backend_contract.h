#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <future>
#include <string>

#include "rbd/data/block_backend.h"

namespace berth {

// Waits for one operation of a backend.
class Waiter final : public BlockBackend::Completion {
 public:
  void Complete(int error) override { done_.set_value(error); }
  int Wait() { return done_.get_future().get(); }

 private:
  std::promise<int> done_;
};

inline int ReadBack(BlockBackend& backend, uint64_t offset, std::string& into) {
  Waiter waiter;
  backend.Read(offset, {into.data(), into.size()}, waiter);
  return waiter.Wait();
}

inline int WriteOut(BlockBackend& backend, uint64_t offset, const std::string& from) {
  Waiter waiter;
  backend.Write(offset, {from.data(), from.size()}, waiter);
  return waiter.Wait();
}

inline int ZeroOut(BlockBackend& backend, uint64_t offset, uint64_t length,
                   BlockBackend::ZeroMode mode) {
  Waiter waiter;
  backend.Zero(offset, length, mode, waiter);
  return waiter.Wait();
}

// What every BlockBackend must keep; called with one of at least 8 MiB that was never written.
inline void CheckBlockBackendContract(BlockBackend& backend) {
  constexpr uint64_t kMiB = 1 << 20;
  ASSERT_GE(backend.size_bytes(), 8 * kMiB);

  std::string block(4096, 'x');
  ASSERT_EQ(ReadBack(backend, 3 * kMiB, block), 0);
  EXPECT_EQ(block, std::string(4096, '\0')) << "what was never written reads as zeros";

  // Across the boundary of two 4 MiB objects, and not aligned to anything but sectors.
  std::string pattern(kMiB + 512, '\0');
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<char>(i % 251);
  ASSERT_EQ(WriteOut(backend, 4 * kMiB - 1024, pattern), 0);
  std::string back(pattern.size(), '\0');
  ASSERT_EQ(ReadBack(backend, 4 * kMiB - 1024, back), 0);
  EXPECT_TRUE(back == pattern);

  const std::string last(512, 'z');
  ASSERT_EQ(WriteOut(backend, backend.size_bytes() - 512, last), 0);
  std::string end(512, '\0');
  ASSERT_EQ(ReadBack(backend, backend.size_bytes() - 512, end), 0);
  EXPECT_EQ(end, last);

  for (const auto mode :
       {BlockBackend::ZeroMode::kDeallocate, BlockBackend::ZeroMode::kKeepAllocated}) {
    ASSERT_EQ(WriteOut(backend, 0, std::string(16384, 'a')), 0);
    ASSERT_EQ(ZeroOut(backend, 4096, 8192, mode), 0);
    std::string zeroed(16384, '?');
    ASSERT_EQ(ReadBack(backend, 0, zeroed), 0);
    EXPECT_EQ(zeroed, std::string(4096, 'a') + std::string(8192, '\0') + std::string(4096, 'a'));
  }

  Waiter flushed;
  backend.Flush(flushed);
  EXPECT_EQ(flushed.Wait(), 0);

  // Many at once, each with its own outcome.
  std::array<Waiter, 64> waiters;
  std::array<std::string, 64> blocks;
  for (size_t i = 0; i < waiters.size(); ++i) {
    blocks[i].assign(4096, static_cast<char>('A' + i % 26));
    backend.Write(2 * kMiB + i * 4096, {blocks[i].data(), blocks[i].size()}, waiters[i]);
  }
  for (Waiter& waiter : waiters) EXPECT_EQ(waiter.Wait(), 0);
  std::string all(size_t{64} * 4096, '\0');
  ASSERT_EQ(ReadBack(backend, 2 * kMiB, all), 0);
  for (size_t i = 0; i < blocks.size(); ++i) EXPECT_TRUE(all.substr(i * 4096, 4096) == blocks[i]);
}

}  // namespace berth
