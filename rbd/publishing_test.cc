#include "rbd/publishing.h"

#include <array>

#include "rbd/formatting.h"
#include "rbd/image.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volume_claims.h"
#include "rbd/volumes.h"

namespace berth {
namespace {

using absl::StatusCode;

class PublishingTest : public CephTest {
 protected:
  PublishingTest() {
    CreateVolumeOptions options;
    options.request_name = "v";
    options.cluster = kCluster;
    options.pool = kPool;
    options.rados_namespace = rados_namespace();
    options.size_bytes = 8 << 20;
    EXPECT_TRUE(volumes_.Create(options).ok());
  }

  // Takes the lock away from "v", so that several may write to it.
  void GiveUpLock() {
    Image image = *Image::Open(OpenPool()->io, "v", Image::Mode::kReadWrite);
    const uint64_t features =
        RBD_FEATURE_FAST_DIFF | RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_EXCLUSIVE_LOCK;
    EXPECT_EQ(rbd_update_features(image.get(), features, 0), 0);
  }

  // A writer as an attacher is one: recorded, then open.
  struct Writer {
    std::unique_ptr<RadosClient> client;
    IoContext io;
    Image image;
    int Write() { return static_cast<int>(rbd_write(image.get(), 0, 4, "data")); }
  };
  Writer OpenWriter(const std::string& node, uint64_t epoch) {
    std::unique_ptr<RadosClient> client = NewClient(RadosClient::Purpose::kData);
    const std::string instance = client->address();
    Registry& registry = OpenPool()->registry;
    EXPECT_TRUE(registry
                    .Update("v",
                            [&](VolumeRecord& record) {
                              return BeginOpenClaim(ClaimOf(record, node), node, epoch, "boot",
                                                    instance);
                            })
                    .ok());
    IoContext io = *client->OpenPool(kPool, rados_namespace());
    Image image = *Image::Open(io, "v", Image::Mode::kReadWrite);
    EXPECT_TRUE(registry
                    .Update("v",
                            [&](VolumeRecord& record) {
                              return CompleteOpenClaim(ClaimOf(record, node), node, epoch,
                                                       instance);
                            })
                    .ok());
    return {std::move(client), std::move(io), std::move(image)};
  }
  WriterClaim Claim() { return OpenPool()->registry.Get("v")->writer; }

  RealClock clock_;
  Volumes volumes_{connections(), clock_};
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  Formatting formatting_{connections()};
};

TEST_F(PublishingTest, OneNodeAtATime) {
  const StatusOr<uint64_t> epoch =
      publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_EQ(*publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {}), *epoch);
  const Status refused =
      publishing_.Publish(Handle("v"), "n2", AccessMode::kReadWriteOnce, {}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.message()).find("n1"), std::string::npos);
  EXPECT_TRUE(publishing_.Unpublish(Handle("v"), "n2", {}).ok()) << "n2 does not hold it";
  EXPECT_EQ(Claim().node, "n1");
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  EXPECT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  EXPECT_GT(*publishing_.Publish(Handle("v"), "n2", AccessMode::kReadWriteOnce, {}), *epoch);
}

TEST_F(PublishingTest, UnpublishCutsOffAWriterThatDidNotClose) {
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  Writer writer = OpenWriter("n1", epoch);
  ASSERT_EQ(writer.Write(), 4);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  EXPECT_EQ(writer.Write(), -ESHUTDOWN);
  EXPECT_EQ(Claim().state, ClaimState::kFree);
  // The next holder's fresh client writes.
  Writer next =
      OpenWriter("n2", *publishing_.Publish(Handle("v"), "n2", AccessMode::kReadWriteOnce, {}));
  EXPECT_EQ(next.Write(), 4);
}

TEST_F(PublishingTest, ADeadClientIsFencedForItsLastWordsOnly) {
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  const std::string dead = NewClient(RadosClient::Purpose::kData)->address();
  const std::string alive = NewClient(RadosClient::Purpose::kData)->address();
  for (const std::string& instance : {dead, alive}) {
    ASSERT_TRUE(OpenPool()
                    ->registry
                    .Update("v",
                            [&](VolumeRecord& record) {
                              return BeginOpenClaim(record.writer, "n1", epoch, "boot", instance,
                                                    {dead});
                            })
                    .ok());
  }
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  const auto blocklist = *OpenPool()->client->Blocklist();
  EXPECT_TRUE(blocklist.contains(dead));
  EXPECT_TRUE(blocklist.contains(alive));
  const std::vector<FenceRecord> fences = *OpenPool()->fences.List();
  ASSERT_EQ(fences.size(), 1U) << "nobody has to uphold the other";
  EXPECT_EQ(fences[0].instance, alive);
}

TEST_F(PublishingTest, SeveralWritersNeedAnImageWithoutALock) {
  const AccessMode many = AccessMode::kReadWriteMany;
  const Status refused = publishing_.Publish(Handle("v"), "n1", many, {}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.message()).find("rbd feature disable"), std::string::npos);
  EXPECT_EQ(Claim().state, ClaimState::kFree);
  GiveUpLock();
  EXPECT_TRUE(publishing_.Publish(Handle("v"), "n1", many, {}).ok());
  EXPECT_TRUE(publishing_.Publish(Handle("v"), "n2", many, {}).ok());
}

TEST_F(PublishingTest, UnpublishTakesOneOfSeveralWritersOut) {
  GiveUpLock();
  const AccessMode many = AccessMode::kReadWriteMany;
  Writer first = OpenWriter("n1", *publishing_.Publish(Handle("v"), "n1", many, {}));
  Writer second = OpenWriter("n2", *publishing_.Publish(Handle("v"), "n2", many, {}));
  ASSERT_EQ(first.Write(), 4);
  ASSERT_EQ(second.Write(), 4);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  EXPECT_EQ(first.Write(), -ESHUTDOWN);
  EXPECT_EQ(second.Write(), 4);
  EXPECT_EQ(OpenPool()->fences.List()->size(), 1U);
  const Status single =
      publishing_.Publish(Handle("v"), "n3", AccessMode::kReadWriteOnce, {}).status();
  EXPECT_EQ(single.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(single.message()).find("\"n2\""), std::string::npos);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "", {}).ok());
  EXPECT_EQ(second.Write(), -ESHUTDOWN);
  EXPECT_TRUE(publishing_.Publish(Handle("v"), "n3", AccessMode::kReadWriteOnce, {}).ok());
}

TEST_F(PublishingTest, UnpublishDoesNotFenceWhoClosed) {
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  Writer writer = OpenWriter("n1", epoch);
  const std::string instance = writer.client->address();
  ASSERT_TRUE(writer.image.Close().ok());
  ASSERT_TRUE(OpenPool()
                  ->registry
                  .Update("v",
                          [&](VolumeRecord& record) {
                            return CloseClaim(record.writer, "n1", epoch, instance);
                          })
                  .ok());
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  // Its client instance still works: nothing was blocklisted.
  EXPECT_TRUE(Image::Open(writer.io, "v", Image::Mode::kReadOnly).ok());
}

TEST_F(PublishingTest, ClientsThatAreNotRecordedAreLeftAlone) {
  const std::unique_ptr<RadosClient> mirror = NewClient(RadosClient::Purpose::kData);
  const IoContext io = *mirror->OpenPool(kPool, rados_namespace());
  const Image image = *Image::Open(io, "v", Image::Mode::kReadWrite);
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  Writer writer = OpenWriter("n1", epoch);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "", {}).ok());
  std::array<char, 4> buffer;
  EXPECT_GE(rbd_read(image.get(), 0, buffer.size(), buffer.data()), 0);
}

TEST_F(PublishingTest, AnInterruptedRevocationIsFinishedByTheNextCall) {
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  Writer writer = OpenWriter("n1", epoch);
  ASSERT_TRUE(
      OpenPool()
          ->registry
          .Update("v", [](VolumeRecord& record) { return BeginRevokeClaim(record.writer, "n1"); })
          .ok());
  EXPECT_EQ(publishing_.Publish(Handle("v"), "n2", AccessMode::kReadWriteOnce, {}).status().code(),
            StatusCode::kAborted);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), "n1", {}).ok());
  EXPECT_EQ(writer.Write(), -ESHUTDOWN);
  EXPECT_TRUE(publishing_.Publish(Handle("v"), "n2", AccessMode::kReadWriteOnce, {}).ok());
}

TEST_F(PublishingTest, VolumesThatDoNotExist) {
  EXPECT_EQ(
      publishing_.Publish(Handle("none"), "n1", AccessMode::kReadWriteOnce, {}).status().code(),
      StatusCode::kNotFound);
  EXPECT_TRUE(publishing_.Unpublish(Handle("none"), "n1", {}).ok());
}

TEST_F(PublishingTest, ForeignImagesCanBePublished) {
  ASSERT_TRUE(CreateImage(OpenPool()->io, "by-hand", 8 << 20).ok());
  ASSERT_TRUE(publishing_.Publish(Handle("by-hand"), "n1", AccessMode::kReadWriteOnce, {}).ok());
  EXPECT_EQ(OpenPool()->registry.Get("by-hand")->state, VolumeState::kForeign);
  ASSERT_TRUE(publishing_.Unpublish(Handle("by-hand"), "n1", {}).ok());
  EXPECT_EQ(volumes_.Delete(Handle("by-hand"), {}).code(), StatusCode::kFailedPrecondition);
}

TEST_F(PublishingTest, AForeignImageThatWasReplacedIsFollowed) {
  const std::shared_ptr<Pool> pool = OpenPool();
  ASSERT_TRUE(CreateImage(pool->io, "by-hand", 8 << 20).ok());
  const uint64_t first =
      *publishing_.Publish(Handle("by-hand"), "n1", AccessMode::kReadWriteOnce, {});
  const std::string id = pool->registry.Get("by-hand")->image_id;
  ASSERT_EQ(rbd_remove(pool->io.get(), "by-hand"), 0);
  ASSERT_TRUE(CreateImage(pool->io, "by-hand", 16 << 20).ok());
  EXPECT_EQ(*publishing_.Publish(Handle("by-hand"), "n1", AccessMode::kReadWriteOnce, {}), first)
      << "held: nothing changes";
  EXPECT_EQ(pool->registry.Get("by-hand")->image_id, id);

  ASSERT_TRUE(publishing_.Unpublish(Handle("by-hand"), "n1", {}).ok());
  EXPECT_GT(*publishing_.Publish(Handle("by-hand"), "n1", AccessMode::kReadWriteOnce, {}), first);
  EXPECT_NE(pool->registry.Get("by-hand")->image_id, id);
  EXPECT_EQ(pool->registry.Get("by-hand")->size_bytes, 16u << 20);

  ASSERT_TRUE(publishing_.Unpublish(Handle("by-hand"), "n1", {}).ok());
  ASSERT_EQ(rbd_remove(pool->io.get(), "by-hand"), 0);
  EXPECT_EQ(
      publishing_.Publish(Handle("by-hand"), "n1", AccessMode::kReadWriteOnce, {}).status().code(),
      StatusCode::kNotFound);
}

TEST_F(PublishingTest, FormattingIsBegunOnceAndFinishedOnce) {
  const uint64_t epoch = *publishing_.Publish(Handle("v"), "n1", AccessMode::kReadWriteOnce, {});
  EXPECT_EQ(formatting_.Begin(Handle("v"), "n1", epoch, "ext4", "u1", {}).status().code(),
            StatusCode::kFailedPrecondition)
      << "not open yet";
  Writer writer = OpenWriter("n1", epoch);
  EXPECT_EQ(formatting_.Begin(Handle("v"), "n2", epoch, "ext4", "u1", {}).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(*formatting_.Begin(Handle("v"), "n1", epoch, "ext4", "u1", {}), "u1");
  EXPECT_EQ(*formatting_.Begin(Handle("v"), "n1", epoch, "ext4", "u2", {}), "u1") << "a retry";
  EXPECT_EQ(formatting_.Begin(Handle("v"), "n1", epoch, "xfs", "u2", {}).status().code(),
            StatusCode::kFailedPrecondition);
  ASSERT_TRUE(formatting_.Complete(Handle("v"), "n1", epoch, {}).ok());
  EXPECT_EQ(formatting_.Begin(Handle("v"), "n1", epoch, "ext4", "u3", {}).status().code(),
            StatusCode::kFailedPrecondition)
      << "never twice";
}

TEST_F(PublishingTest, ForeignImageThatWasWrittenToIsNotFormatted) {
  const std::shared_ptr<Pool> pool = OpenPool();
  for (const bool written : {false, true}) {
    const std::string name = written ? "used" : "blank";
    ASSERT_TRUE(CreateImage(pool->io, name, 8 << 20).ok());
    if (written) {
      const Image image = *Image::Open(pool->io, name, Image::Mode::kReadWrite);
      ASSERT_EQ(rbd_write(image.get(), 5 << 20, 4, "data"), 4);
    }
    const uint64_t epoch = *publishing_.Publish(Handle(name), "n1", AccessMode::kReadWriteOnce, {});
    ASSERT_TRUE(pool->registry
                    .Update(name,
                            [&](VolumeRecord& record) {
                              BERTH_RETURN_IF_ERROR(BeginOpenClaim(record.writer, "n1", epoch,
                                                                   "boot", "10.0.0.9:0/1"));
                              return CompleteOpenClaim(record.writer, "n1", epoch, "10.0.0.9:0/1");
                            })
                    .ok());
    const StatusOr<std::string> begun =
        formatting_.Begin(Handle(name), "n1", epoch, "ext4", "u", {});
    EXPECT_EQ(begun.ok(), !written) << begun.status();
  }
}

}  // namespace
}  // namespace berth
