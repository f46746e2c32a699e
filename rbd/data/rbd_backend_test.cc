#include "rbd/data/rbd_backend.h"

#include <cerrno>

#include "rbd/data/testing/block_backend_contract.h"
#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

class RbdBackendTest : public CephTest {
 protected:
  RbdBackendTest() { EXPECT_TRUE(CreateImage(OpenPool()->io, "image", 16 << 20).ok()); }
};

TEST_F(RbdBackendTest, KeepsTheContract) {
  const auto client = NewClient(RadosClient::Purpose::kData);
  const IoContext io = *client->OpenPool(kPool, rados_namespace());
  const Image image = *Image::Open(io, "image", Image::Mode::kReadWrite);
  RbdBackend backend = *RbdBackend::Make(image);
  CheckBlockBackendContract(backend);
}

TEST_F(RbdBackendTest, AFencedClientIsToldSo) {
  const auto client = NewClient(RadosClient::Purpose::kData);
  const IoContext io = *client->OpenPool(kPool, rados_namespace());
  const Image image = *Image::Open(io, "image", Image::Mode::kReadWrite);
  RbdBackend backend = *RbdBackend::Make(image);
  ASSERT_EQ(WriteOut(backend, 0, "before"), 0);
  ASSERT_TRUE(OpenPool()->client->Fence(client->address(), std::chrono::hours(1)).ok());
  ASSERT_TRUE(client->WaitForLatestMap().ok());
  EXPECT_EQ(WriteOut(backend, 0, "after"), ESHUTDOWN);
}

}  // namespace
}  // namespace berth
