#include "rbd/data/instance_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace berth {
namespace {

const VolumeHandle kVolume = {.cluster = "lab", .pool = "rbd", .rados_namespace = "", .image = "v"};

class InstanceFileTest : public ::testing::Test {
 protected:
  InstanceFileTest() {
    std::string name = std::filesystem::temp_directory_path() / "berth-instances-XXXXXX";
    base_ = mkdtemp(name.data());
  }
  ~InstanceFileTest() override { std::filesystem::remove_all(base_); }

  std::string directory() const { return InstanceFilesPath(base_ + "/data.sock"); }
  InstanceFile Make(const std::string& instance) {
    StatusOr<InstanceFile> file = InstanceFile::Make(directory(), instance, kVolume);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  std::vector<GoneInstance> Gone() {
    StatusOr<std::vector<GoneInstance>> gone = FindGoneInstances(directory());
    EXPECT_TRUE(gone.ok()) << gone.status();
    return *std::move(gone);
  }

  std::string base_;
};

TEST_F(InstanceFileTest, TellsOfAnInstanceOnceItsProcessIsGone) {
  EXPECT_TRUE(Gone().empty()) << "nobody has made the directory yet";
  std::optional<InstanceFile> one = Make("10.0.0.7:0/123");
  const InstanceFile other = Make("10.0.0.7:0/124");
  EXPECT_TRUE(Gone().empty()) << "both live";
  one.reset();
  for (int look = 0; look < 2; ++look) {
    const std::vector<GoneInstance> gone = Gone();
    ASSERT_EQ(gone.size(), 1U) << "until its file is removed";
    EXPECT_EQ(gone.front().instance, "10.0.0.7:0/123");
    EXPECT_EQ(gone.front().volume, kVolume);
  }
  unlink(Gone().front().path.c_str());
  EXPECT_TRUE(Gone().empty());
}

TEST_F(InstanceFileTest, AFileThatSaysNothingProvesNothing) {
  Make("10.0.0.7:0/123");
  const std::string path = Gone().front().path;
  for (const char* text : {"", "10.0.0.7:0/123", "10.0.0.7:0/123\n", "10.0.0.7:0/123\nlab/rbd/v"}) {
    std::ofstream(path) << text;
    EXPECT_TRUE(Gone().empty()) << text;
    EXPECT_FALSE(std::filesystem::exists(path)) << text;
  }
}

TEST_F(InstanceFileTest, AProcessThatIsStartedMeanwhileDoesNotKeepTheLock) {
  std::optional<InstanceFile> file = Make("10.0.0.7:0/123");
  StatusOr<ChildProcess> child = ChildProcess::Start({"sleep", "60"}, {});
  ASSERT_TRUE(child.ok()) << child.status();
  file.reset();
  EXPECT_EQ(Gone().size(), 1U);
  ASSERT_TRUE(child->Signal(SIGKILL).ok());
  ASSERT_TRUE(child->Wait(absl::InfiniteFuture()).ok());
}

}  // namespace
}  // namespace berth
