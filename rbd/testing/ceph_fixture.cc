#include "rbd/testing/ceph_fixture.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "rbd/image.h"

namespace berth {
namespace {

constexpr std::chrono::seconds kTimeout(20);

std::string ClustersDirectory() {
  const char* directory = std::getenv("BERTH_CLUSTERS");
  if (directory == nullptr) {
    // A test that silently passes without Ceph would be no test.
    throw std::runtime_error("BERTH_CLUSTERS is not set: run this test by ./dev test");
  }
  return directory;
}

std::string UniqueNamespace() {
  static std::atomic<int> count = 0;
  return fmt::format("test-{}-{}-{}", std::time(nullptr), getpid(), ++count);
}

void RemoveImages(const IoContext& io) {
  std::vector<rbd_image_spec_t> images(1000);
  size_t count = images.size();
  if (rbd_list2(io.get(), images.data(), &count) != 0) return;
  for (size_t i = 0; i < count; ++i) rbd_remove(io.get(), images[i].name);
  rbd_image_spec_list_cleanup(images.data(), count);
}

void EmptyTrash(const IoContext& io) {
  std::vector<rbd_trash_image_info_t> entries(1000);
  size_t count = entries.size();
  if (rbd_trash_list(io.get(), entries.data(), &count) < 0) return;
  for (size_t i = 0; i < count; ++i) rbd_trash_remove(io.get(), entries[i].id, true);
  rbd_trash_list_cleanup(entries.data(), count);
}

void RemoveRegistry(const IoContext& io) {
  for (int shard = 0; shard < 32; ++shard) {
    rados_remove(io.get(), fmt::format("berth.registry.{:02}", shard).c_str());
  }
  rados_remove(io.get(), "berth.fences");
}

}  // namespace

CephTest::CephTest()
    : namespace_(UniqueNamespace()), connections_(ClusterDirectory(ClustersDirectory()), kTimeout) {
  const StatusOr<std::shared_ptr<Pool>> root = connections_.Open({kCluster, kPool, "", "x"}, {});
  if (!root.ok()) throw std::runtime_error(std::string(root.status().message()));
  rbd_namespace_create((*root)->io.get(), namespace_.c_str());
}

CephTest::~CephTest() {
  if (const auto pool = connections_.Open(Handle("x"), {}); pool.ok()) {
    RemoveImages((*pool)->io);
    EmptyTrash((*pool)->io);
    RemoveRegistry((*pool)->io);
  }
  if (const auto root = connections_.Open({kCluster, kPool, "", "x"}, {}); root.ok()) {
    rbd_namespace_remove((*root)->io.get(), namespace_.c_str());
  }
}

std::shared_ptr<Pool> CephTest::OpenPool() {
  StatusOr<std::shared_ptr<Pool>> pool = connections_.Open(Handle("x"), {});
  if (!pool.ok()) throw std::runtime_error(std::string(pool.status().message()));
  return *pool;
}

std::unique_ptr<RadosClient> CephTest::NewClient(RadosClient::Purpose purpose) {
  StatusOr<ClusterConfig> config = connections_.clusters().Find(kCluster);
  if (!config.ok()) throw std::runtime_error(std::string(config.status().message()));
  auto client = RadosClient::Connect(*config, purpose, kTimeout);
  if (!client.ok()) throw std::runtime_error(std::string(client.status().message()));
  return *std::move(client);
}

}  // namespace berth
