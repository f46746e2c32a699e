#include "rbd/registry.h"

#include <spdlog/fmt/fmt.h>

#include <set>
#include <thread>
#include <vector>

#include "rbd/rados_omap.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/testing/omap_contract.h"

namespace berth {
namespace {

class RegistryTest : public CephTest {
 protected:
  std::unique_ptr<OmapStore> NewStore() {
    std::shared_ptr<RadosClient> client = NewClient(RadosClient::Purpose::kControl);
    IoContext io = *client->OpenPool(kPool, rados_namespace());
    return MakeRadosOmapStore(std::move(client), std::move(io));
  }
};

VolumeRecord Named(const std::string& image) {
  VolumeRecord record;
  record.image = image;
  record.state = VolumeState::kReady;
  return record;
}

TEST_F(RegistryTest, RadosKeepsTheOmapContract) {
  const std::unique_ptr<OmapStore> store = NewStore();
  CheckOmapContract(*store);
  rados_remove(OpenPool()->io.get(), "contract");
}

TEST_F(RegistryTest, InsertOnceUpdateRemove) {
  Registry registry(NewStore());
  EXPECT_EQ(registry.Get("a").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(registry.Insert(Named("a")).ok());
  EXPECT_EQ(registry.Insert(Named("a")).code(), absl::StatusCode::kAlreadyExists);
  const StatusOr<VolumeRecord> updated = registry.Update("a", [](VolumeRecord& record) {
    record.size_bytes = 42;
    return absl::OkStatus();
  });
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(registry.Get("a")->size_bytes, 42U);
  EXPECT_EQ(registry.Remove(Named("a")).code(), absl::StatusCode::kAborted)
      << "not what is stored any more";
  EXPECT_TRUE(registry.Remove(*updated).ok());
  EXPECT_EQ(registry.Get("a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryTest, RefusedChangeWritesNothing) {
  Registry registry(NewStore());
  ASSERT_TRUE(registry.Insert(Named("a")).ok());
  const Status status = registry
                            .Update("a",
                                    [](VolumeRecord& record) {
                                      record.size_bytes = 1;
                                      return absl::FailedPreconditionError("no");
                                    })
                            .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(registry.Get("a")->size_bytes, 0U);
}

// Each of four clients with its own connection adds to one record; nothing is lost.
TEST_F(RegistryTest, RacingUpdatesAllCount) {
  Registry setup(NewStore());
  ASSERT_TRUE(setup.Insert(Named("a")).ok());
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 4; ++writer) {
    threads.emplace_back([this] {
      Registry registry(NewStore());
      for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(registry
                        .Update("a",
                                [](VolumeRecord& record) {
                                  ++record.writer.epoch;
                                  return absl::OkStatus();
                                })
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(setup.Get("a")->writer.epoch, 200U);
}

TEST_F(RegistryTest, ListsEveryRecordAndReportsUnreadableOnes) {
  Registry registry(NewStore());
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    names.insert(fmt::format("pvc-{}", i));
    ASSERT_TRUE(registry.Insert(Named(fmt::format("pvc-{}", i))).ok());
  }
  ASSERT_TRUE(NewStore()->Update(RegistryShard("bad"), {{"v/bad", std::nullopt, "{"}}).ok());
  std::set<std::string> found;
  std::set<std::string> unreadable;
  ASSERT_TRUE(registry
                  .ForEach(
                      [&](const VolumeRecord& record) {
                        found.insert(record.image);
                        return true;
                      },
                      [&](const std::string& image, const Status&) { unreadable.insert(image); })
                  .ok());
  EXPECT_EQ(found, names);
  EXPECT_EQ(unreadable, std::set<std::string>{"bad"});
}

TEST_F(RegistryTest, MoveToTrashFreesTheName) {
  Registry registry(NewStore());
  ASSERT_TRUE(registry.Insert(Named("a")).ok());
  TrashRecord trash;
  trash.image_id = "id-1";
  trash.image = "a";
  trash.volume = Named("a");
  ASSERT_TRUE(registry.MoveToTrash(Named("a"), trash).ok());
  EXPECT_TRUE(registry.Insert(Named("a")).ok());
  const StatusOr<std::vector<TrashRecord>> listed = registry.ListTrash();
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ((*listed)[0].image_id, "id-1");
  EXPECT_TRUE(registry.ForgetTrash((*listed)[0]).ok());
  EXPECT_TRUE(registry.ListTrash()->empty());
}

}  // namespace
}  // namespace berth
