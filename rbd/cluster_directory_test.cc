#include "rbd/cluster_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace berth {
namespace {

namespace fs = std::filesystem;

class ClusterDirectoryTest : public ::testing::Test {
 protected:
  ClusterDirectoryTest() {
    std::string name = (fs::temp_directory_path() / "berth-clusters-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~ClusterDirectoryTest() override { fs::remove_all(root_); }

  void Write(const std::string& alias, const std::string& file, const std::string& content) {
    fs::create_directories(root_ / alias);
    std::ofstream(root_ / alias / file) << content;
  }
  void Describe(const std::string& alias) {
    Write(alias, "ceph.conf", "[global]\nmon host = 10.0.0.1\n");
    Write(alias, "keyring", "[client.admin]\n# none here\n\n[client.berth]\n\tkey = QUJD==\n");
  }
  ClusterDirectory directory() const { return ClusterDirectory(root_.string()); }

  fs::path root_;
};

TEST_F(ClusterDirectoryTest, FindsUserAndKey) {
  Describe("lab");
  const StatusOr<ClusterConfig> config = directory().Find("lab");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->user.id, "berth");
  EXPECT_EQ(config->user.key, "QUJD==");
}

TEST_F(ClusterDirectoryTest, UnknownAliasNamesTheKnownOnes) {
  Describe("east");
  Describe("west");
  const Status status = directory().Find("north").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("east, west"), std::string::npos);
}

TEST_F(ClusterDirectoryTest, MissingPartsAreNamed) {
  fs::create_directories(root_ / "lab");
  EXPECT_NE(std::string(directory().Find("lab").status().message()).find("ceph.conf"),
            std::string::npos);
  Write("lab", "ceph.conf", "[global]\n");
  EXPECT_NE(std::string(directory().Find("lab").status().message()).find("keyring"),
            std::string::npos);
  Write("lab", "keyring", "[mon.]\nkey = x\n");
  EXPECT_EQ(directory().Find("lab").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ClusterDirectoryTest, DefaultIsTheOnlyOne) {
  EXPECT_EQ(directory().DefaultAlias().status().code(), absl::StatusCode::kNotFound);
  Describe("lab");
  EXPECT_EQ(*directory().DefaultAlias(), "lab");
  Describe("other");
  EXPECT_EQ(directory().DefaultAlias().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ClusterDirectoryTest, RotatedKeyChangesTheRevision) {
  Describe("lab");
  const std::string before = directory().Find("lab")->revision;
  Write("lab", "keyring", "[client.berth]\nkey = bmV3\n");
  EXPECT_NE(directory().Find("lab")->revision, before);
}

TEST(Alias, Limits) {
  EXPECT_TRUE(CheckAlias("a").ok());
  EXPECT_TRUE(CheckAlias("lab-1").ok());
  for (const char* alias : {"", "-a", "a-", "A", "a.b", "..data", "a2345678901234567890x"}) {
    EXPECT_EQ(CheckAlias(alias).code(), absl::StatusCode::kInvalidArgument) << alias;
  }
}

}  // namespace
}  // namespace berth
