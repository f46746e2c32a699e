#include "csi/server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/fd.h"
#include "csi/identity_service.h"

namespace berth {
namespace {

using ::testing::HasSubstr;

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "berth-server-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = (directory_ / "deeper" / "csi.sock").string();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  StatusOr<UnixServer> Start() { return UnixServer::Start(path_, {&identity_}); }

  grpc::Status Probe(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    csi::v1::ProbeResponse response;
    return csi::v1::Identity::NewStub(channel)->Probe(&context, {}, &response);
  }
  grpc::Status ProbeSocket() {
    return Probe(grpc::CreateChannel("unix:" + path_, grpc::InsecureChannelCredentials()));
  }

  std::filesystem::path directory_;
  std::string path_;
  RpcRunner rpcs_;
  Status ready_;
  IdentityService identity_{rpcs_, "1.2.3", [this] { return ready_; }};
};

TEST_F(ServerTest, ServesOnAPrivateSocketAndInProcess) {
  StatusOr<UnixServer> server = Start();
  ASSERT_TRUE(server.ok()) << server.status();
  struct stat entry = {};
  ASSERT_EQ(stat(path_.c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 0777, 0600u);
  EXPECT_TRUE(ProbeSocket().ok());
  EXPECT_TRUE(Probe(server->InProcessChannel()).ok());
}

TEST_F(ServerTest, TellsWhoTheDriverIs) {
  StatusOr<UnixServer> server = Start();
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = csi::v1::Identity::NewStub(server->InProcessChannel());
  grpc::ClientContext context;
  csi::v1::GetPluginInfoResponse info;
  ASSERT_TRUE(stub->GetPluginInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.name(), "rbd.berth.storage");
  EXPECT_EQ(info.vendor_version(), "1.2.3");
}

TEST_F(ServerTest, ProbeSaysWhatIsMissing) {
  StatusOr<UnixServer> server = Start();
  ASSERT_TRUE(server.ok()) << server.status();
  ready_ = absl::NotFoundError("/etc/berth/clusters holds no cluster");
  const grpc::Status status = ProbeSocket();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("holds no cluster"));
}

TEST_F(ServerTest, ReplacesASocketOnWhichNobodyAnswers) {
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
  {
    const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(fd.get(), 1), 0);
    EXPECT_EQ(Start().status().code(), absl::StatusCode::kFailedPrecondition);
  }
  const StatusOr<UnixServer> server = Start();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(ProbeSocket().ok());
}

TEST_F(ServerTest, RefusesAPathThatIsNoSocket) {
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
  std::ofstream(path_) << "data";
  EXPECT_THAT(std::string(Start().status().message()), HasSubstr("is not a socket"));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ServerTest, ShutdownEndsTheServiceAndTakesTheSocketAway) {
  StatusOr<UnixServer> server = Start();
  ASSERT_TRUE(server.ok()) << server.status();
  server->Shutdown(absl::Now() + absl::Seconds(5));
  EXPECT_FALSE(ProbeSocket().ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace berth
