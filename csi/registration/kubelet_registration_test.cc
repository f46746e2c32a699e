#include "csi/registration/kubelet_registration.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace berth {
namespace {

class KubeletRegistrationTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "berth-reg-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    StatusOr<UnixServer> server =
        UnixServer::Start(RegistrationSocketPath(directory_), {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_.emplace(*std::move(server));
    stub_ = pluginregistration::Registration::NewStub(grpc::CreateChannel(
        "unix:" + directory_ + "/rbd.berth.storage-reg.sock", grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string directory_;
  std::string failure_;
  RpcRunner rpcs_;
  KubeletRegistrationService service_{rpcs_, "/var/lib/kubelet/plugins/x/csi.sock",
                                      [this](const std::string& why) { failure_ = why; }};
  std::optional<UnixServer> server_;
  std::unique_ptr<pluginregistration::Registration::Stub> stub_;
};

TEST_F(KubeletRegistrationTest, TellsTheKubeletWhereThePluginIs) {
  grpc::ClientContext context;
  pluginregistration::PluginInfo info;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.type(), "CSIPlugin");
  EXPECT_EQ(info.name(), "rbd.berth.storage");
  EXPECT_EQ(info.endpoint(), "/var/lib/kubelet/plugins/x/csi.sock");
  ASSERT_EQ(info.supported_versions_size(), 1);
  EXPECT_EQ(info.supported_versions(0), "1.0.0");
}

TEST_F(KubeletRegistrationTest, PassesOnlyFailuresOn) {
  pluginregistration::RegistrationStatus status;
  pluginregistration::RegistrationStatusResponse response;
  status.set_plugin_registered(true);
  grpc::ClientContext success;
  ASSERT_TRUE(stub_->NotifyRegistrationStatus(&success, status, &response).ok());
  EXPECT_EQ(failure_, "");
  status.set_plugin_registered(false);
  status.set_error("no such node");
  grpc::ClientContext failure;
  ASSERT_TRUE(stub_->NotifyRegistrationStatus(&failure, status, &response).ok());
  EXPECT_EQ(failure_, "no such node");
}

}  // namespace
}  // namespace berth
