#include "rbd/data/io_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace berth {
namespace {

bool IsResident(const IoMemory& memory) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((memory.size() + page - 1) / page);
  EXPECT_EQ(mincore(memory.data(), memory.size(), pages.data()), 0);
  return std::all_of(pages.begin(), pages.end(), [](unsigned char in) { return (in & 1) != 0; });
}

TEST(IoMemory, IsThereFromTheBeginning) { EXPECT_TRUE(IsResident(*IoMemory::Make(1 << 20))); }

TEST(IoMemory, IsThereAlsoWhenTheProcessLocksOnFault) {
  ASSERT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT), 0);
  EXPECT_TRUE(IsResident(*IoMemory::Make(1 << 20)));
  munlockall();
}

TEST(IoMemory, Moves) {
  IoMemory first = *IoMemory::Make(4096);
  char* const data = first.data();
  IoMemory second = *IoMemory::Make(8192);
  second = std::move(first);
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.size(), 4096U);
}

}  // namespace
}  // namespace berth
