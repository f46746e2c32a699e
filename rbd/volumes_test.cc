#include "rbd/volumes.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <thread>
#include <vector>

#include "rbd/image.h"
#include "rbd/publishing.h"
#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

using absl::StatusCode;

constexpr uint64_t kMiB = 1 << 20;

class VolumesTest : public CephTest {
 protected:
  CreateVolumeOptions Options(const std::string& name) const {
    CreateVolumeOptions options;
    options.request_name = name;
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = 16 * kMiB;
    options.required_bytes = 16 * kMiB;
    options.request = "pool=rbd";
    return options;
  }
  std::vector<std::string> Images() {
    std::array<rbd_image_spec_t, 64> images;
    size_t count = images.size();
    EXPECT_EQ(rbd_list2(OpenPool()->io.get(), images.data(), &count), 0);
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) names.emplace_back(images[i].name);
    rbd_image_spec_list_cleanup(images.data(), count);
    return names;
  }
  size_t TrashSize() {
    std::array<rbd_trash_image_info_t, 64> entries;
    size_t count = entries.size();
    EXPECT_GE(rbd_trash_list(OpenPool()->io.get(), entries.data(), &count), 0);
    rbd_trash_list_cleanup(entries.data(), count);
    return count;
  }
  void Sweep() {
    const auto report = [](const std::string& image, const Status& error) {
      ADD_FAILURE() << image << ": " << error;
    };
    EXPECT_TRUE(volumes_.FinishDeletions(Handle("any"), {}, report).ok());
    EXPECT_TRUE(volumes_.PurgeTrash(Handle("any"), {}, report).ok());
  }

  FakeClock clock_{absl::FromUnixSeconds(1'000'000)};
  Volumes volumes_{connections(), clock_};
};

TEST_F(VolumesTest, CreateTwiceIsOneVolume) {
  const StatusOr<VolumeRecord> first = volumes_.Create(Options("pvc-1"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->state, VolumeState::kReady);
  EXPECT_EQ(first->size_bytes, 16 * kMiB);
  const StatusOr<VolumeRecord> second = volumes_.Create(Options("pvc-1"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->image_id, first->image_id);
  EXPECT_EQ(Images(), std::vector<std::string>{"pvc-1"});
  EXPECT_EQ(*Image::Open(OpenPool()->io, "pvc-1", Image::Mode::kReadOnly)->Id(), first->image_id);
}

TEST_F(VolumesTest, OtherRequestUnderTheSameNameIsRefusedWithTheDifference) {
  ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
  CreateVolumeOptions bigger = Options("pvc-1");
  bigger.required_bytes = 32 * kMiB;
  EXPECT_EQ(volumes_.Create(bigger).status().code(), StatusCode::kAlreadyExists);
  CreateVolumeOptions smaller = Options("pvc-1");
  smaller.required_bytes = 0;
  smaller.limit_bytes = 8 * kMiB;
  EXPECT_EQ(volumes_.Create(smaller).status().code(), StatusCode::kAlreadyExists);
  CreateVolumeOptions other = Options("pvc-1");
  other.request = "pool=other";
  const Status status = volumes_.Create(other).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_NE(std::string(status.message()).find("pool=other"), std::string::npos);
}

TEST_F(VolumesTest, RacingCreatesMakeOneVolume) {
  std::vector<std::thread> threads;
  std::array<std::string, 8> ids;
  for (size_t i = 0; i < ids.size(); ++i) {
    threads.emplace_back([&, i] {
      const StatusOr<VolumeRecord> record = volumes_.Create(Options("pvc-1"));
      EXPECT_TRUE(record.ok()) << record.status();
      if (record.ok()) ids[i] = record->image_id;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& id : ids) EXPECT_EQ(id, ids[0]);
  EXPECT_EQ(Images().size(), 1U);
}

TEST_F(VolumesTest, CreateGoesOnFromARecordWithoutImage) {
  VolumeRecord record;
  record.image = "pvc-1";
  record.request_name = "pvc-1";
  record.request = "pool=rbd";
  record.size_bytes = 16 * kMiB;
  ASSERT_TRUE(OpenPool()->registry.Insert(record).ok());
  EXPECT_TRUE(volumes_.Create(Options("pvc-1")).ok());
}

TEST_F(VolumesTest, CreateGoesOnFromAHalfMadeImage) {
  VolumeRecord record;
  record.image = "pvc-1";
  record.request_name = "pvc-1";
  record.request = "pool=rbd";
  record.size_bytes = 16 * kMiB;
  const std::shared_ptr<Pool> pool = OpenPool();
  ASSERT_TRUE(pool->registry.Insert(record).ok());
  // What rbd_create4 leaves when it is cut off: the id object and the directory's entry, and no
  // header.
  ASSERT_TRUE(CreateImage(pool->io, "pvc-1", 16 * kMiB).ok());
  const std::string id = *ReadImageId(pool->io, "pvc-1");
  ASSERT_EQ(rados_remove(pool->io.get(), ("rbd_header." + id).c_str()), 0);
  const StatusOr<VolumeRecord> created = volumes_.Create(Options("pvc-1"));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_NE(created->image_id, id);
  EXPECT_TRUE(Image::Open(pool->io, "pvc-1", Image::Mode::kReadOnly).ok());
}

TEST_F(VolumesTest, DeleteOfAHalfMadeImageLeavesNothing) {
  const std::shared_ptr<Pool> pool = OpenPool();
  for (const bool whole : {false, true}) {
    VolumeRecord record;
    record.image = "pvc-1";
    ASSERT_TRUE(pool->registry.Insert(record).ok());
    ASSERT_TRUE(CreateImage(pool->io, "pvc-1", 16 * kMiB).ok());
    if (!whole) {
      const std::string header = "rbd_header." + *ReadImageId(pool->io, "pvc-1");
      ASSERT_EQ(rados_remove(pool->io.get(), header.c_str()), 0);
    }
    const Status status = volumes_.Delete(Handle("pvc-1"), {});
    EXPECT_TRUE(status.ok()) << status;
    Sweep();
    EXPECT_TRUE(Images().empty());
    EXPECT_EQ(TrashSize(), 0U);
    EXPECT_EQ(pool->registry.Get("pvc-1").status().code(), StatusCode::kNotFound);
  }
}

TEST_F(VolumesTest, CreateThatCephRefusesLeavesNothing) {
  CreateVolumeOptions options = Options("pvc-1");
  options.size_bytes = uint64_t{1} << 60;  // more objects than an object map can hold
  EXPECT_FALSE(volumes_.Create(options).ok());
  Sweep();
  EXPECT_TRUE(Images().empty());
  EXPECT_EQ(TrashSize(), 0U);
  EXPECT_EQ(OpenPool()->registry.Get("pvc-1").status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(volumes_.Create(Options("pvc-1")).ok()) << "the name is free";
}

TEST_F(VolumesTest, SomebodyElsesImageIsNeitherTakenNorDeleted) {
  ASSERT_TRUE(CreateImage(OpenPool()->io, "pvc-1", kMiB).ok());
  EXPECT_EQ(volumes_.Create(Options("pvc-1")).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(volumes_.Delete(Handle("pvc-1"), {}).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Images(), std::vector<std::string>{"pvc-1"});
  const StatusOr<VolumeRecord> record = volumes_.Get(Handle("pvc-1"), {});
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->state, VolumeState::kForeign);
  EXPECT_EQ(record->size_bytes, kMiB);
}

TEST_F(VolumesTest, DeleteMovesToTrashAndFreesTheName) {
  const std::string old_id = volumes_.Create(Options("pvc-1"))->image_id;
  ASSERT_TRUE(volumes_.Delete(Handle("pvc-1"), {}).ok());
  EXPECT_TRUE(Images().empty());
  EXPECT_EQ(TrashSize(), 1U);
  EXPECT_TRUE(volumes_.Delete(Handle("pvc-1"), {}).ok()) << "again is fine";
  EXPECT_EQ(volumes_.Get(Handle("pvc-1"), {}).status().code(), StatusCode::kNotFound);
  EXPECT_NE(volumes_.Create(Options("pvc-1"))->image_id, old_id);
  Sweep();
  EXPECT_EQ(TrashSize(), 0U);
  EXPECT_TRUE(OpenPool()->registry.ListTrash()->empty());
  EXPECT_EQ(Images().size(), 1U) << "the new volume of that name stays";
}

TEST_F(VolumesTest, RetentionKeepsTheImageInTheTrash) {
  CreateVolumeOptions options = Options("pvc-1");
  options.trash_retention_s = 3600;
  ASSERT_TRUE(volumes_.Create(options).ok());
  ASSERT_TRUE(volumes_.Delete(Handle("pvc-1"), {}).ok());
  Sweep();
  EXPECT_EQ(TrashSize(), 1U);
  clock_.Advance(absl::Seconds(3601));
  Sweep();
  EXPECT_EQ(TrashSize(), 0U);
}

TEST_F(VolumesTest, DeleteGoesOnFromEveryPointWhereItCanBeCutOff) {
  const auto to_deleting = [](VolumeRecord& record) {
    record.state = VolumeState::kDeleting;
    return absl::OkStatus();
  };
  const std::shared_ptr<Pool> pool = OpenPool();
  for (const bool in_trash : {false, true}) {
    ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
    ASSERT_TRUE(pool->registry.Update("pvc-1", to_deleting).ok());
    if (in_trash) {
      ASSERT_TRUE(MoveImageToTrash(pool->io, "pvc-1").ok());
    }
    Sweep();
    EXPECT_EQ(pool->registry.Get("pvc-1").status().code(), StatusCode::kNotFound);
    EXPECT_EQ(TrashSize(), 0U);
    EXPECT_TRUE(Images().empty());
  }
  // Purged, but the trash record was not forgotten yet.
  ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
  ASSERT_TRUE(volumes_.Delete(Handle("pvc-1"), {}).ok());
  ASSERT_TRUE(PurgeFromTrash(pool->io, (*pool->registry.ListTrash())[0].image_id).ok());
  Sweep();
  EXPECT_TRUE(pool->registry.ListTrash()->empty());
}

TEST_F(VolumesTest, RacingDeletesAllSucceed) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this] {
        const Status status = volumes_.Delete(Handle("pvc-1"), {});
        EXPECT_TRUE(status.ok()) << status;
      });
    }
    // A sweep that meets an image half-way to the trash leaves it to the next one.
    threads.emplace_back([this] {
      const auto ignore = [](const std::string&, const Status&) {};
      EXPECT_TRUE(volumes_.FinishDeletions(Handle("any"), {}, ignore).ok());
      EXPECT_TRUE(volumes_.PurgeTrash(Handle("any"), {}, ignore).ok());
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(Images().empty());
  }
  Sweep();
  EXPECT_EQ(TrashSize(), 0U);
}

TEST_F(VolumesTest, CreateAfterADeleteThatWasCutOff) {
  ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
  ASSERT_TRUE(OpenPool()
                  ->registry
                  .Update("pvc-1",
                          [](VolumeRecord& record) {
                            record.state = VolumeState::kDeleting;
                            return absl::OkStatus();
                          })
                  .ok());
  const StatusOr<VolumeRecord> record = volumes_.Create(Options("pvc-1"));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->state, VolumeState::kReady);
}

TEST_F(VolumesTest, PublishedVolumeIsNotDeleted) {
  ASSERT_TRUE(volumes_.Create(Options("pvc-1")).ok());
  Nodes nodes(connections(), clock_);
  Publishing publishing(connections(), nodes, clock_, std::chrono::hours(1));
  ASSERT_TRUE(publishing.Publish(Handle("pvc-1"), "n1", AccessMode::kReadWriteOnce, {}).ok());
  const Status status = volumes_.Delete(Handle("pvc-1"), {});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("n1"), std::string::npos);
  ASSERT_TRUE(publishing.Unpublish(Handle("pvc-1"), "n1", {}).ok());
  EXPECT_TRUE(volumes_.Delete(Handle("pvc-1"), {}).ok());
}

TEST_F(VolumesTest, MissingPoolLeavesNothingAndIsNamed) {
  CreateVolumeOptions options = Options("pvc-1");
  options.pool = "no-such-pool";
  const Status status = volumes_.Create(options).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("no-such-pool"), std::string::npos);
}

}  // namespace
}  // namespace berth
