#include "rbd/data/memory_backend.h"

#include "rbd/data/testing/block_backend_contract.h"

namespace berth {
namespace {

TEST(MemoryBackend, KeepsTheContract) {
  MemoryBackend backend(16 << 20);
  CheckBlockBackendContract(backend);
}

TEST(MemoryBackend, FailsWhenTold) {
  MemoryBackend backend(8 << 20);
  backend.FailWith(EIO);
  EXPECT_EQ(WriteOut(backend, 0, "x"), EIO);
  backend.FailWith(0);
  EXPECT_EQ(WriteOut(backend, 0, "x"), 0);
}

}  // namespace
}  // namespace berth
