#include "csi/controller/controller_service.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "csi/server.h"
#include "rbd/image.h"
#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

using csi::v1::VolumeCapability;

// The service over a real socket and a real cluster, as a container orchestrator sees it.
class ControllerServiceTest : public CephTest {
 protected:
  ControllerServiceTest() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-csi-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    auto server = UnixServer::Start(directory_ + "/csi.sock", {&service_});
    if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
    server_ = std::make_unique<UnixServer>(*std::move(server));
    stub_ = csi::v1::Controller::NewStub(server_->InProcessChannel());
    RegisterNode("n1");
  }
  ~ControllerServiceTest() override {
    server_->Shutdown(absl::Now() + absl::Seconds(10));
    std::filesystem::remove_all(directory_);
  }

  void RegisterNode(const std::string& name) {
    nodes_.Register({name, "boot", "test"}, [](const std::string&, const Status& status) {
      throw std::runtime_error(std::string(status.message()));
    });
  }
  static VolumeCapability Capability() {
    VolumeCapability capability;
    capability.mutable_mount()->set_fs_type("ext4");
    capability.mutable_access_mode()->set_mode(VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
    return capability;
  }
  csi::v1::CreateVolumeRequest Request(const std::string& name) const {
    csi::v1::CreateVolumeRequest request;
    request.set_name(name);
    request.mutable_capacity_range()->set_required_bytes(16 << 20);
    (*request.mutable_parameters())["pool"] = kPool;
    (*request.mutable_parameters())["radosNamespace"] = rados_namespace();
    *request.add_volume_capabilities() = Capability();
    return request;
  }

  grpc::Status Create(const csi::v1::CreateVolumeRequest& request) {
    grpc::ClientContext context;
    return stub_->CreateVolume(&context, request, &created_);
  }
  // Refused with this code, the parts in its message, and nothing left in the pool.
  void ExpectRefused(const csi::v1::CreateVolumeRequest& request, grpc::StatusCode code,
                     const std::vector<std::string>& parts) {
    const grpc::Status status = Create(request);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    for (const std::string& part : parts) {
      EXPECT_NE(status.error_message().find(part), std::string::npos)
          << "\"" << status.error_message() << "\" does not name " << part;
    }
    ExpectEmptyPool();
  }
  void ExpectEmptyPool() {
    const std::shared_ptr<Pool> pool = OpenPool();
    size_t count = 0;
    EXPECT_EQ(rbd_list2(pool->io.get(), nullptr, &count), 0);
    EXPECT_TRUE(pool->registry.ListTrash()->empty());
    EXPECT_TRUE(pool->registry
                    .ForEach(
                        [](const VolumeRecord& record) {
                          ADD_FAILURE() << "a record of " << record.image << " is left";
                          return true;
                        },
                        [](const std::string&, const Status&) {})
                    .ok());
  }
  grpc::Status Publish(const std::string& volume, const std::string& node,
                       const VolumeCapability& capability = Capability()) {
    csi::v1::ControllerPublishVolumeRequest request;
    request.set_volume_id(volume);
    request.set_node_id(node);
    *request.mutable_volume_capability() = capability;
    grpc::ClientContext context;
    return stub_->ControllerPublishVolume(&context, request, &published_);
  }
  grpc::Status Delete(const std::string& volume) {
    csi::v1::DeleteVolumeRequest request;
    request.set_volume_id(volume);
    csi::v1::DeleteVolumeResponse response;
    grpc::ClientContext context;
    return stub_->DeleteVolume(&context, request, &response);
  }

  const RealClock clock_;
  Volumes volumes_{connections(), clock_};
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  RpcRunner rpcs_;
  std::vector<std::string> deleted_;
  ControllerService service_{
      {rpcs_, connections(), volumes_, publishing_, nodes_,
       [this](const VolumeHandle& volume) { deleted_.push_back(volume.ToString()); }}};
  std::string directory_;
  std::unique_ptr<UnixServer> server_;
  std::unique_ptr<csi::v1::Controller::Stub> stub_;
  csi::v1::CreateVolumeResponse created_;
  csi::v1::ControllerPublishVolumeResponse published_;
};

TEST_F(ControllerServiceTest, CreatePublishUnpublishDelete) {
  ASSERT_TRUE(Create(Request("pvc-1")).ok());
  const std::string id = created_.volume().volume_id();
  EXPECT_EQ(id, fmt::format("lab/rbd/{}/pvc-1", rados_namespace()));
  EXPECT_EQ(created_.volume().capacity_bytes(), 16 << 20);
  ASSERT_TRUE(Publish(id, "n1").ok());
  EXPECT_EQ(published_.publish_context().at("berth.storage/epoch"), "1");
  EXPECT_EQ(Delete(id).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  csi::v1::ControllerUnpublishVolumeRequest unpublish;
  unpublish.set_volume_id(id);
  unpublish.set_node_id("n1");
  csi::v1::ControllerUnpublishVolumeResponse unpublished;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->ControllerUnpublishVolume(&context, unpublish, &unpublished).ok());
  ASSERT_TRUE(Delete(id).ok());
  EXPECT_EQ(deleted_, std::vector<std::string>{id});
}

TEST_F(ControllerServiceTest, ClassMistakes) {
  csi::v1::CreateVolumeRequest request = Request("pvc-1");
  request.mutable_parameters()->erase("pool");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"parameter pool", "missing"});

  request = Request("pvc-1");
  (*request.mutable_parameters())["imageFormat"] = "2";
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"imageFormat", "\"2\"", "known are"});

  request = Request("pvc-1");
  (*request.mutable_parameters())["pool"] = "no-such-pool";
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"pool", "no-such-pool"});

  request = Request("pvc-1");
  (*request.mutable_parameters())["cluster"] = "elsewhere";
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"cluster", "elsewhere"});
}

TEST_F(ControllerServiceTest, SizeMistakes) {
  for (const int64_t bytes : {int64_t{0}, int64_t{-5}}) {
    csi::v1::CreateVolumeRequest request = Request("pvc-1");
    request.mutable_capacity_range()->set_required_bytes(bytes);
    ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT,
                  {"required_bytes", std::to_string(bytes)});
  }
  csi::v1::CreateVolumeRequest absurd = Request("pvc-1");
  absurd.mutable_capacity_range()->set_required_bytes(INT64_MAX);
  ExpectRefused(absurd, grpc::StatusCode::OUT_OF_RANGE,
                {"required_bytes", std::to_string(INT64_MAX)});
  csi::v1::CreateVolumeRequest limited = Request("pvc-1");
  limited.mutable_capacity_range()->set_limit_bytes(1 << 20);
  ExpectRefused(limited, grpc::StatusCode::OUT_OF_RANGE, {"limit_bytes", std::to_string(1 << 20)});
}

TEST_F(ControllerServiceTest, NameMistakesAndOddNames) {
  ExpectRefused(Request(""), grpc::StatusCode::INVALID_ARGUMENT, {"name"});
  ExpectRefused(Request(std::string(129, 'n')), grpc::StatusCode::INVALID_ARGUMENT,
                {"name", "128"});
  ExpectRefused(Request("tab\there"), grpc::StatusCode::INVALID_ARGUMENT, {"name"});
  for (const std::string& name :
       {std::string("a/b@c"), std::string("Größe 1"), std::string(128, 'n')}) {
    ASSERT_TRUE(Create(Request(name)).ok()) << name;
    const std::string id = created_.volume().volume_id();
    EXPECT_LE(id.size(), 128U);
    EXPECT_TRUE(Delete(id).ok());
  }
}

TEST_F(ControllerServiceTest, CapabilityMistakes) {
  csi::v1::CreateVolumeRequest request = Request("pvc-1");
  request.mutable_volume_capabilities(0)->mutable_mount()->set_fs_type("ntfs");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"ntfs", "ext4"});

  request = Request("pvc-1");
  request.mutable_volume_capabilities(0)->mutable_access_mode()->set_mode(
      VolumeCapability::AccessMode::MULTI_NODE_MULTI_WRITER);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"MULTI_NODE_MULTI_WRITER"});

  request = Request("pvc-1");
  request.clear_volume_capabilities();
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"volume_capabilities"});
}

TEST_F(ControllerServiceTest, ReadersAreGivenWhatSomebodyFilled) {
  csi::v1::CreateVolumeRequest request = Request("pvc-1");
  request.mutable_volume_capabilities(0)->mutable_access_mode()->set_mode(
      VolumeCapability::AccessMode::MULTI_NODE_READER_ONLY);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"empty", "ReadWriteOnce"});
  *request.add_volume_capabilities() = Capability();
  ASSERT_TRUE(Create(request).ok());
  const std::string id = created_.volume().volume_id();
  RegisterNode("n2");
  for (const char* node : {"n1", "n2"}) {
    EXPECT_TRUE(Publish(id, node, request.volume_capabilities(0)).ok()) << node;
  }
  EXPECT_EQ(Publish(id, "n1").error_code(), grpc::StatusCode::ALREADY_EXISTS);
  const grpc::Status deleted = Delete(id);
  EXPECT_EQ(deleted.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(deleted.error_message().find("\"n2\""), std::string::npos);
}

TEST_F(ControllerServiceTest, SeveralWritersGetARawImageWithoutALock) {
  csi::v1::CreateVolumeRequest request = Request("pvc-1");
  request.mutable_volume_capabilities(0)->mutable_block();
  request.mutable_volume_capabilities(0)->mutable_access_mode()->set_mode(
      VolumeCapability::AccessMode::MULTI_NODE_MULTI_WRITER);
  ASSERT_TRUE(Create(request).ok());
  EXPECT_TRUE(Create(request).ok()) << "the same again";
  const std::string id = created_.volume().volume_id();
  EXPECT_EQ(Create(Request("pvc-1")).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_FALSE(*Image::Open(OpenPool()->io, "pvc-1", Image::Mode::kReadOnly)->HasExclusiveLock());
  RegisterNode("n2");
  for (const char* node : {"n1", "n2"}) {
    EXPECT_TRUE(Publish(id, node, request.volume_capabilities(0)).ok()) << node;
  }
}

TEST_F(ControllerServiceTest, ValidateKnowsWhatAnImageWasMadeFor) {
  ASSERT_TRUE(Create(Request("pvc-1")).ok());
  csi::v1::ValidateVolumeCapabilitiesRequest request;
  request.set_volume_id(created_.volume().volume_id());
  VolumeCapability& capability = *request.add_volume_capabilities() = Capability();
  const auto validate = [&] {
    grpc::ClientContext context;
    csi::v1::ValidateVolumeCapabilitiesResponse response;
    EXPECT_TRUE(stub_->ValidateVolumeCapabilities(&context, request, &response).ok());
    return response;
  };
  EXPECT_TRUE(validate().has_confirmed());
  capability.mutable_access_mode()->set_mode(VolumeCapability::AccessMode::MULTI_NODE_READER_ONLY);
  EXPECT_TRUE(validate().has_confirmed());
  capability.mutable_block();
  capability.mutable_access_mode()->set_mode(VolumeCapability::AccessMode::MULTI_NODE_MULTI_WRITER);
  const csi::v1::ValidateVolumeCapabilitiesResponse several = validate();
  EXPECT_FALSE(several.has_confirmed());
  EXPECT_NE(several.message().find("exclusive lock"), std::string::npos) << several.message();
}

TEST_F(ControllerServiceTest, WrongKeyInTheSecrets) {
  csi::v1::CreateVolumeRequest request = Request("pvc-1");
  (*request.mutable_secrets())["userID"] = "berth";
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, {"userID", "userKey"});
  (*request.mutable_secrets())["userKey"] = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==";
  ExpectRefused(request, grpc::StatusCode::PERMISSION_DENIED, {"client.berth", "key"});
}

TEST_F(ControllerServiceTest, UnreachableMonitorEndsInTime) {
  const std::string clusters = directory_ + "/clusters";
  std::filesystem::create_directories(clusters + "/down");
  std::ofstream(clusters + "/down/ceph.conf") << "[global]\nmon host = 127.0.0.1:1\n";
  std::ofstream(clusters + "/down/keyring")
      << "[client.berth]\nkey = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==\n";
  Connections connections(ClusterDirectory(clusters), std::chrono::seconds(2));
  Volumes volumes(connections, clock_);
  Nodes nodes(connections, clock_);
  Publishing publishing(connections, nodes, clock_, std::chrono::hours(1));
  ControllerService service(
      {rpcs_, connections, volumes, publishing, nodes, [](const VolumeHandle&) {}});
  auto server = UnixServer::Start(directory_ + "/down.sock", {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = csi::v1::Controller::NewStub(server->InProcessChannel());
  grpc::ClientContext context;
  const grpc::Status status = stub->CreateVolume(&context, Request("pvc-1"), &created_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.error_message().find("mon host"), std::string::npos) << status.error_message();
}

TEST_F(ControllerServiceTest, UnknownNodesAndVolumes) {
  ASSERT_TRUE(Create(Request("pvc-1")).ok());
  const std::string id = created_.volume().volume_id();
  const grpc::Status no_node = Publish(id, "n9");
  EXPECT_EQ(no_node.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_NE(no_node.error_message().find("n9"), std::string::npos);
  EXPECT_EQ(Publish("lab/rbd/no-such-image", "n1").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Publish("no handle", "n1").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Delete("no handle").ok());
  EXPECT_EQ(Delete("lab/no-such-pool/x").error_code(), grpc::StatusCode::FAILED_PRECONDITION)
      << "a pool that cannot be found says nothing about the volume";
}

}  // namespace
}  // namespace berth
