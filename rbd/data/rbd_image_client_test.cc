#include "rbd/data/rbd_image_client.h"

#include <gmock/gmock.h>

#include "rbd/testing/ceph_fixture.h"
#include "rbd/testing/image_client_contract.h"

namespace berth {
namespace {

using RbdImageClientTest = CephTest;

TEST_F(RbdImageClientTest, KeepsTheContract) {
  ASSERT_TRUE(CreateImage(OpenPool()->io, "image", 16 << 20).ok());
  const ClusterConfig cluster = *connections().clusters().Find(kCluster);
  data::io::v1::Open open;
  open.set_cluster(kCluster);
  open.set_conf_path(cluster.conf_path);
  open.set_user_id(cluster.user.id);
  open.set_user_key(cluster.user.key);
  open.set_pool(kPool);
  open.set_rados_namespace(rados_namespace());
  open.set_connect_timeout_s(10);
  CheckImageClientContract([&] { return *RbdImageClient::Connect(open); }, "image");
}

}  // namespace
}  // namespace berth
