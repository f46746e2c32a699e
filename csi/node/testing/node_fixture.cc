#include "csi/node/testing/node_fixture.h"

#include <sys/mount.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "csi/node/mount.h"
#include "csi/node/testing/mount_namespace.h"

namespace berth {
namespace {

const auto* const kNamespace = testing::AddGlobalTestEnvironment(new MountNamespace);

constexpr uint64_t kImageBytes = 16 << 20;

}  // namespace

void NodeTest::SetUp() {
  std::string name = testing::TempDir() + "berth-node-XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  directory_ = name;
  staging_path_ = directory_ + "/staging";
  target_ = directory_ + "/pod-a";
  std::filesystem::create_directories(directory_ + "/images");
  std::filesystem::create_directories(staging_path_);
  attacher_ = std::make_unique<LoopAttacher>(directory_ + "/images");
  attacher_->MakeImage(volume_, kImageBytes);
  Restart();
}

void NodeTest::Restart(const std::string& boot_id) {
  node_.boot_id = boot_id;
  attacher_->SetHook([](const std::string&) {});
  formatting_.SetHook([](const std::string&) {});
  StatusOr<StageRecords> records = StageRecords::Open(directory_ + "/state");
  ASSERT_TRUE(records.ok()) << records.status();
  records_.emplace(*std::move(records));
  staging_.emplace(node_, *records_, *attacher_, formatting_);
  publishing_.emplace(node_, *records_, *attacher_);
}

void NodeTest::TearDown() {
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    while (umount2(entry.path().c_str(), MNT_DETACH) == 0) {
    }
  }
  attacher_.reset();
  std::filesystem::remove_all(directory_);
}

StageRequest NodeTest::StageOf(uint64_t epoch) const {
  return {.volume = volume_,
          .epoch = epoch,
          .staging_path = staging_path_,
          .access = {.fs_type = "ext4", .mount_flags = {"noatime"}},
          .user = std::nullopt};
}

StageRequest NodeTest::StageBlock() const {
  StageRequest request = StageOf(1);
  request.access = {.block = true};
  return request;
}

PublishRequest NodeTest::PublishAt(const std::string& target) const {
  return {.volume = volume_,
          .staging_path = staging_path_,
          .target_path = target,
          .access = StageOf(1).access,
          .at_most_one_path = false};
}

PublishRequest NodeTest::PublishBlockAt(const std::string& target) const {
  PublishRequest request = PublishAt(target);
  request.access = {.block = true};
  return request;
}

void NodeTest::ExpectNothingIsLeft() {
  EXPECT_FALSE(IsMounted(staging_path_));
  EXPECT_EQ(attacher_->attached(), 0u);
  const StatusOr<std::vector<StageRecord>> records = records_->List();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_TRUE(records->empty());
}

bool NodeTest::IsMounted(const std::string& path) {
  const StatusOr<std::optional<Mount>> mount = FindMount(path);
  EXPECT_TRUE(mount.ok()) << mount.status();
  return mount.ok() && mount->has_value();
}

void NodeTest::Write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::in | std::ios::out | std::ios::ate);
  if (!file) file.open(path, std::ios::binary);
  file.seekp(0);
  file << text;
  EXPECT_TRUE(file.flush().good()) << path;
}

std::string NodeTest::Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace berth
