#include "rbd/connections.h"

#include <filesystem>
#include <fstream>

#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

namespace fs = std::filesystem;

// A copy of the lab's cluster directory that the test may spoil.
class ConnectionsTest : public CephTest {
 protected:
  ConnectionsTest() {
    std::string name = (fs::temp_directory_path() / "berth-clusters-XXXXXX").string();
    root_ = mkdtemp(name.data());
    fs::copy(fs::path(std::getenv("BERTH_CLUSTERS")) / kCluster, root_ / "copy",
             fs::copy_options::recursive);
  }
  ~ConnectionsTest() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& content) {
    std::ofstream(root_ / "copy" / file) << content;
  }
  Status OpenCopy(std::chrono::seconds timeout) {
    Connections connections(ClusterDirectory(root_.string()), timeout);
    return connections.Open({"copy", kPool, "", "x"}, {}).status();
  }

  fs::path root_;
};

TEST_F(ConnectionsTest, OneConnectionIsShared) {
  EXPECT_EQ(OpenPool(), OpenPool());
  connections().Forget(kCluster);
  EXPECT_NE(OpenPool(), nullptr);
}

TEST_F(ConnectionsTest, WrongKeyIsNamedAsSuch) {
  Write("keyring", "[client.berth]\n\tkey = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==\n");
  const Status status = OpenCopy(std::chrono::seconds(20));
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_NE(std::string(status.message()).find("client.berth"), std::string::npos) << status;
  EXPECT_EQ(std::string(status.message()).find("AQAAAAAA"), std::string::npos) << "leaks the key";
}

TEST_F(ConnectionsTest, UnreachableMonitorIsNamedAsSuch) {
  Write("ceph.conf", "[global]\nmon host = 127.0.0.1:1\n");
  const Status status = OpenCopy(std::chrono::seconds(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_NE(std::string(status.message()).find("mon host"), std::string::npos) << status;
}

TEST_F(ConnectionsTest, ConfThatCephCannotParseIsNamedAsSuch) {
  // Secrets made from literals often lack the last newline, which Ceph's parser insists on.
  for (const char* conf : {"[global]\nmon host = 127.0.0.1:1", "[global\nmon host = 127.0.0.1\n"}) {
    Write("ceph.conf", conf);
    const Status status = OpenCopy(std::chrono::seconds(2));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << conf << ": " << status;
    EXPECT_NE(std::string(status.message()).find("newline"), std::string::npos) << status;
  }
}

TEST_F(ConnectionsTest, UserOfTheRequestIsUsed) {
  Connections copies(ClusterDirectory(root_.string()), std::chrono::seconds(20));
  const CephUser good = copies.clusters().Find("copy")->user;
  EXPECT_TRUE(copies.Open({"copy", kPool, "", "x"}, good).ok());
  CephUser bad = good;
  bad.key = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==";
  EXPECT_EQ(copies.Open({"copy", kPool, "", "x"}, bad).status().code(),
            absl::StatusCode::kPermissionDenied)
      << "a connection made with another key must not be lent out";
}

}  // namespace
}  // namespace berth
