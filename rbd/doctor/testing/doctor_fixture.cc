#include "rbd/doctor/testing/doctor_fixture.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include "absl/time/clock.h"
#include "rbd/image.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

constexpr uint64_t kSizeBytes = 8 << 20;
constexpr char kSnapshot[] = "by-hand";

class NoFencer final : public Fencer {
 public:
  Status Fence(const std::string&, std::chrono::seconds) const override { return {}; }
  Status FenceIfMissing(const std::string&, std::chrono::seconds) const override { return {}; }
  StatusOr<std::map<std::string, int64_t>> Blocklist() const override {
    return std::map<std::string, int64_t>();
  }
  Status Lift(const std::string&) const override { return {}; }
};

}  // namespace

DoctorTest::~DoctorTest() {
  for (const std::string& id : snapped_) {  // else the image could not be removed
    const StatusOr<Image> image = Image::OpenById(OpenPool()->io, id, Image::Mode::kReadWrite);
    EXPECT_EQ(rbd_snap_remove(image->get(), kSnapshot), 0);
  }
  for (const std::string& node : registered_) {
    EXPECT_TRUE(nodes_.Lift(kCluster, node).ok());
    nodes_.Forget(kCluster, node, absl::InfiniteFuture()).IgnoreError();
  }
}

std::map<std::string, Finding> DoctorTest::Examine() {
  std::map<std::string, Finding> mine;
  for (Finding& finding : doctor_.Examine(absl::Now() + absl::Minutes(1)).findings) {
    if (finding.object.find(rados_namespace()) == std::string::npos) continue;
    EXPECT_FALSE(mine.contains(finding.object))
        << finding.object << ": " << finding.kind << " and " << mine[finding.object].kind;
    mine[finding.object] = std::move(finding);
  }
  return mine;
}

std::string DoctorTest::OfTrash(const std::string& image, const std::string& id) const {
  return fmt::format("{} (image id {} in the trash)", Handle(image).ToString(), id);
}
std::string DoctorTest::OfClient(const std::string& instance, const std::string& image) const {
  return fmt::format("client {} of {}", instance, Handle(image).ToString());
}
std::string DoctorTest::OfNode(const std::string& node) {
  return fmt::format("node {} in {}", node, kCluster);
}

std::string DoctorTest::Create(const std::string& name) {
  CreateVolumeOptions options;
  options.request_name = name;
  options.cluster = kCluster;
  options.pool = kPool;
  options.rados_namespace = rados_namespace();
  options.size_bytes = kSizeBytes;
  const StatusOr<VolumeRecord> record = volumes_.Create(options);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? record->image_id : "";
}

void DoctorTest::Delete(const std::string& name) {
  EXPECT_TRUE(volumes_.Delete(Handle(name), {}).ok());
}

std::string DoctorTest::CreateForeign(const std::string& name) {
  EXPECT_TRUE(CreateImage(OpenPool()->io, name, kSizeBytes).ok());
  return *ReadImageId(OpenPool()->io, name);
}

void DoctorTest::TrashByHand(const std::string& name) {
  EXPECT_EQ(rbd_trash_move(OpenPool()->io.get(), name.c_str(), 0), 0);
}

void DoctorTest::Snapshot(const std::string& name) {
  const StatusOr<Image> image = Image::Open(OpenPool()->io, name, Image::Mode::kReadWrite);
  EXPECT_EQ(rbd_snap_create(image->get(), kSnapshot), 0);
  snapped_.push_back(*image->Id());
}

bool DoctorTest::Exists(const std::string& name) { return ReadImageId(OpenPool()->io, name).ok(); }
bool DoctorTest::IsTrashed(const std::string& id) { return *IsInTrash(OpenPool()->io, id); }

uint64_t DoctorTest::Open(const std::string& name, const std::string& node,
                          const std::string& instance) {
  const StatusOr<uint64_t> epoch =
      publishing_.Publish(Handle(name), node, AccessMode::kReadWriteOnce, {});
  EXPECT_TRUE(epoch.ok()) << epoch.status();
  Change(name, [&](VolumeRecord& record) {
    EXPECT_TRUE(BeginOpenClaim(record.writer, node, *epoch, "boot", instance).ok());
  });
  return *epoch;
}

void DoctorTest::Change(const std::string& name, const std::function<void(VolumeRecord&)>& change) {
  EXPECT_TRUE(OpenPool()
                  ->registry
                  .Update(name,
                          [&](VolumeRecord& record) {
                            change(record);
                            return absl::OkStatus();
                          })
                  .ok());
}

void DoctorTest::InsertRecord(const std::string& name, VolumeState state, absl::Time attempted) {
  VolumeRecord record;
  record.image = name;
  record.state = state;
  record.image_id = state == VolumeState::kForeign ? "id-of-" + name : "";
  record.attempted_s = absl::ToUnixSeconds(attempted);
  EXPECT_TRUE(OpenPool()->registry.Insert(record).ok());
}

void DoctorTest::RecordFence(const std::string& instance, const std::string& image,
                             const std::string& node, const std::string& boot_id) {
  EXPECT_TRUE(OpenPool()
                  ->fences
                  .Fence(NoFencer(),
                         {.instance = instance, .image = image, .node = node, .boot_id = boot_id},
                         real_, std::chrono::hours(1))
                  .ok());
}

void DoctorTest::Register(const std::string& node, const std::string& boot_id, absl::Duration ago) {
  const FakeClock clock(later_.Now() - ago);
  Nodes(connections(), clock)
      .Register({node, boot_id, "0.1.0"}, [](const std::string& alias, const Status& status) {
        ADD_FAILURE() << alias << ": " << status;
      });
  registered_.push_back(node);
}

std::string DoctorTest::Address(int number) const {
  const auto nonce = static_cast<uint32_t>(absl::ToUnixMicros(real_));
  return "192.0.2.8:0/" + std::to_string(nonce + static_cast<uint32_t>(number));
}

}  // namespace berth
