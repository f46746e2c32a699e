// The loops against a real kube-apiserver and a CSI driver that remembers. What
// kube-controller-manager would do to claims and volumes, the tests do.
#include "provisioner/provisioner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/cancellation.h"
#include "kube/core_v1.h"
#include "kube/json_patch.h"
#include "kube/storage_v1.h"
#include "kube/testing/api_server.h"
#include "provisioner/environment.h"
#include "provisioner/names.h"
#include "provisioner/testing/csi_server.h"

namespace berth::provisioner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Claim = kube::core::PersistentVolumeClaim;
using Volume = kube::core::PersistentVolume;
using Attachment = kube::storage::VolumeAttachment;
using kube::PatchType;

class ProvisionerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    StatusOr<std::unique_ptr<kube::TestApiServer>> started = kube::TestApiServer::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_NE(server_, nullptr);
    api_ = server_->Client();
    kube::core::Namespace ns;
    ns.mutable_metadata()->set_generatename("test-");
    ns_ = api_->Create(ns)->metadata().name();
    MakeClass({{"pool", "rbd"}});
  }
  // What a test left behind would be worked on in the next one.
  void TearDown() override {
    StopProvisioner();
    DeleteAll<Attachment>({});
    DeleteAll<Claim>({.ns = ns_});
    DeleteAll<Volume>({});
    DeleteAll<kube::storage::CSINode>({});
    DeleteAll<kube::storage::StorageClass>({});
  }

  template <typename T>
  void DeleteAll(const kube::Selector& selector) {
    std::vector<T> all;
    ASSERT_TRUE(api_->ForEach<T>(selector,
                                 [&](const T& object) {
                                   all.push_back(object);
                                   return absl::OkStatus();
                                 })
                    .ok());
    for (const T& object : all) {
      const kube::MetadataChange release{
          .remove_finalizers = {object.metadata().finalizers().begin(),
                                object.metadata().finalizers().end()}};
      api_->Delete<T>(kube::KeyOf(object)).IgnoreError();
      api_->Change(object, release).status().IgnoreError();
    }
  }

  void StartProvisioner(std::optional<kube::LeaderElector::Options> lease = std::nullopt) {
    Options options;
    options.instance = "test-0";
    options.lease = std::move(lease);
    provisioner_ = std::make_unique<Provisioner>(*api_, clock_, csi_.Channel(), options);
    ASSERT_TRUE(provisioner_->Start().ok());
  }
  void StopProvisioner() { provisioner_.reset(); }

  void MakeClass(const std::map<std::string, std::string>& parameters) {
    kube::storage::StorageClass storage_class;
    storage_class.mutable_metadata()->set_name("fast");
    storage_class.set_provisioner(csi_.name());
    storage_class.mutable_parameters()->insert(parameters.begin(), parameters.end());
    const auto created = api_->Create(storage_class);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  // A claim as kube-controller-manager leaves it for its provisioner. Its volume's name.
  std::string MakeClaim(const std::string& name) {
    Claim claim;
    claim.mutable_metadata()->set_namespace_(ns_);
    claim.mutable_metadata()->set_name(name);
    (*claim.mutable_metadata()->mutable_annotations())[kStorageProvisioner] = csi_.name();
    claim.mutable_spec()->set_storageclassname("fast");
    claim.mutable_spec()->add_accessmodes("ReadWriteOnce");
    (*claim.mutable_spec()->mutable_resources()->mutable_requests())["storage"].set_string("1Gi");
    const StatusOr<Claim> created = api_->Create(claim);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? "pvc-" + created->metadata().uid() : "";
  }
  void Bind(const std::string& claim, const std::string& volume) {
    ASSERT_TRUE(api_->Patch<Claim>({ns_, claim}, PatchType::kMerge,
                                   nlohmann::json{{"spec", {{"volumeName", volume}}}}.dump())
                    .ok());
    ASSERT_TRUE(api_->Patch<Claim>({ns_, claim}, PatchType::kMerge,
                                   R"({"status": {"phase": "Bound"}})", "status")
                    .ok());
    SetPhase(volume, "Bound");
  }
  void SetPhase(const std::string& volume, const std::string& phase) {
    const auto patched =
        api_->Patch<Volume>({"", volume}, PatchType::kMerge,
                            nlohmann::json{{"status", {{"phase", phase}}}}.dump(), "status");
    ASSERT_TRUE(patched.ok()) << patched.status();
  }
  Volume StaticVolume(const std::string& name) {
    Volume volume;
    volume.mutable_metadata()->set_name(name);
    (*volume.mutable_spec()->mutable_capacity())["storage"].set_string("1Gi");
    volume.mutable_spec()->add_accessmodes("ReadWriteOnce");
    volume.mutable_spec()->set_persistentvolumereclaimpolicy("Retain");
    auto* source = volume.mutable_spec()->mutable_persistentvolumesource()->mutable_csi();
    source->set_driver(csi_.name());
    source->set_volumehandle("id-" + name);
    return *api_->Create(volume);
  }
  void MakeAttachment(const std::string& name, const std::string& volume, const std::string& node) {
    Attachment attachment;
    attachment.mutable_metadata()->set_name(name);
    attachment.mutable_spec()->set_attacher(csi_.name());
    attachment.mutable_spec()->set_nodename(node);
    attachment.mutable_spec()->mutable_source()->set_persistentvolumename(volume);
    const auto created = api_->Create(attachment);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  void RegisterNode(const std::string& name) {
    kube::storage::CSINode node;
    node.mutable_metadata()->set_name(name);
    auto* driver = node.mutable_spec()->add_drivers();
    driver->set_name(csi_.name());
    driver->set_nodeid("id-of-" + name);
    const auto created = api_->Create(node);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  // A volume that the driver knows, as if an administrator had made it.
  void MakeInDriver(const std::string& name) {
    csi::v1::CreateVolumeRequest request;
    request.set_name(name);
    request.mutable_capacity_range()->set_required_bytes(1 << 30);
    CsiDriver driver(csi_.Channel(), absl::Seconds(5));
    ASSERT_TRUE(driver.CreateVolume(request).ok());
  }

  static bool Eventually(const std::function<bool()>& condition) {
    const kube::Cancellation never;
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      if (absl::Now() > end) return false;
      never.WaitFor(absl::Milliseconds(20));
    }
    return true;
  }
  template <typename T>
  bool Exists(const kube::ObjectKey& key) {
    return !absl::IsNotFound(api_->Get<T>(key).status());
  }
  // "reason: message" of all events in the namespace.
  std::vector<std::string> Events(const std::string& ns) {
    std::vector<std::string> events;
    api_->ForEach<kube::core::Event>({.ns = ns},
                                     [&](const kube::core::Event& event) {
                                       events.push_back(event.reason() + ": " + event.message());
                                       return absl::OkStatus();
                                     })
        .status()
        .IgnoreError();
    return events;
  }
  bool HasEvent(const std::string& text, const std::string& ns) {
    return Eventually([&] {
      for (const std::string& event : Events(ns)) {
        if (event.find(text) != std::string::npos) return true;
      }
      return false;
    });
  }

  static std::unique_ptr<kube::TestApiServer> server_;
  const RealClock clock_{};
  TestCsiServer csi_;
  std::unique_ptr<kube::ApiClient> api_;
  std::string ns_;
  std::unique_ptr<Provisioner> provisioner_;
};

std::unique_ptr<kube::TestApiServer> ProvisionerTest::server_;

TEST_F(ProvisionerTest, AClaimBecomesAVolumeAndTheIntentIsThereBeforeTheCall) {
  StartProvisioner();
  csi_.Hold("CreateVolume");
  const std::string name = MakeClaim("www");
  ASSERT_TRUE(csi_.WaitUntil([&](const auto& state) { return !state.calls.empty(); }));
  Claim claim = *api_->Get<Claim>({ns_, "www"});
  EXPECT_TRUE(kube::HasFinalizer(claim.metadata(), kProvisioningFinalizer));
  EXPECT_THAT(kube::Annotation(claim.metadata(), kIntentAnnotation), HasSubstr(name));
  csi_.LetGo("CreateVolume");

  ASSERT_TRUE(Eventually([&] { return Exists<Volume>({"", name}); }));
  const Volume volume = *api_->Get<Volume>({"", name});
  EXPECT_EQ(volume.spec().claimref().uid(), claim.metadata().uid());
  EXPECT_EQ(volume.spec().persistentvolumesource().csi().volumehandle(), "id-" + name);
  EXPECT_EQ(volume.spec().capacity().at("storage").string(), "1Gi");
  EXPECT_TRUE(kube::HasFinalizer(volume.metadata(), kDeletionFinalizer));
  EXPECT_TRUE(HasEvent("Provisioning: ", ns_));
  EXPECT_TRUE(HasEvent("ProvisioningSucceeded: ", ns_));
  EXPECT_EQ(csi_.Count("CreateVolume " + name), 1u);

  Bind("www", name);
  EXPECT_TRUE(Eventually([&] {
    claim = *api_->Get<Claim>({ns_, "www"});
    return !kube::HasFinalizer(claim.metadata(), kProvisioningFinalizer) &&
           kube::Annotation(claim.metadata(), kIntentAnnotation).empty();
  }));
}

TEST_F(ProvisionerTest, AFailureIsAnEventWithTheDriversWordsAndIsTriedAgain) {
  csi_.Fail({"CreateVolume", grpc::StatusCode::NOT_FOUND, "pool \"rbd\" does not exist"});
  StartProvisioner();
  const std::string name = MakeClaim("www");
  EXPECT_TRUE(HasEvent("ProvisioningFailed: pool \"rbd\" does not exist", ns_));
  EXPECT_TRUE(Eventually([&] { return Exists<Volume>({"", name}); }));
  EXPECT_EQ(csi_.Count("CreateVolume " + name), 2u);
}

TEST_F(ProvisionerTest, WhatCannotBeMadeIsAnEventAndReachesTheDriverNot) {
  DeleteAll<kube::storage::StorageClass>({});
  MakeClass({{"csi.storage.k8s.io/fs", "x"}});
  StartProvisioner();
  MakeClaim("www");
  EXPECT_TRUE(HasEvent("unknown parameter csi.storage.k8s.io/fs", ns_));
  // A corrected class brings the claim back without waiting.
  DeleteAll<kube::storage::StorageClass>({});
  MakeClass({});
  EXPECT_TRUE(csi_.WaitUntil([](const auto& state) { return state.volumes.size() == 1; }));
}

TEST_F(ProvisionerTest, ADeletedClaimWhoseVolumeMayExistLeavesNothingBehind) {
  csi_.Fail({"CreateVolume", grpc::StatusCode::UNAVAILABLE, "answer lost", true});
  csi_.Fail({"CreateVolume", grpc::StatusCode::UNAVAILABLE, "answer lost"});
  StartProvisioner();
  const std::string name = MakeClaim("www");
  ASSERT_TRUE(csi_.WaitUntil([](const auto& state) { return !state.volumes.empty(); }));
  ASSERT_TRUE(api_->Delete<Claim>({ns_, "www"}).ok());
  EXPECT_TRUE(Eventually([&] { return !Exists<Claim>({ns_, "www"}); }));
  EXPECT_THAT(csi_.VolumeNames(), IsEmpty());
  EXPECT_FALSE(Exists<Volume>({"", name}));
}

TEST_F(ProvisionerTest, AClaimDeletedWhileNoProvisionerRanLeavesNothingBehind) {
  csi_.Hold("CreateVolume");
  StartProvisioner();
  const std::string name = MakeClaim("www");
  ASSERT_TRUE(csi_.WaitUntil([](const auto& state) { return !state.calls.empty(); }));
  StopProvisioner();
  csi_.LetGo("CreateVolume");
  MakeInDriver(name);  // the driver finished what it was asked for, after its caller had gone
  ASSERT_TRUE(api_->Delete<Claim>({ns_, "www"}).ok());
  EXPECT_TRUE(Exists<Claim>({ns_, "www"}));
  StartProvisioner();
  EXPECT_TRUE(Eventually([&] { return !Exists<Claim>({ns_, "www"}); }));
  EXPECT_THAT(csi_.VolumeNames(), IsEmpty());
}

TEST_F(ProvisionerTest, AVolumeWithItsObjectSurvivesADeletedClaimUntilItIsReleased) {
  StartProvisioner();
  const std::string name = MakeClaim("www");
  ASSERT_TRUE(Eventually([&] { return Exists<Volume>({"", name}); }));
  ASSERT_TRUE(api_->Delete<Claim>({ns_, "www"}).ok());
  ASSERT_TRUE(Eventually([&] { return !Exists<Claim>({ns_, "www"}); }));
  EXPECT_THAT(csi_.VolumeNames(), ElementsAre(name));
  SetPhase(name, "Released");
  EXPECT_TRUE(Eventually([&] { return !Exists<Volume>({"", name}); }));
  EXPECT_THAT(csi_.VolumeNames(), IsEmpty());
}

TEST_F(ProvisionerTest, AReleasedVolumeIsNotDeletedWhileItIsAttachedOrTheDriverRefuses) {
  RegisterNode("n1");
  StartProvisioner();
  const std::string name = MakeClaim("www");
  ASSERT_TRUE(Eventually([&] { return Exists<Volume>({"", name}); }));
  Bind("www", name);
  MakeAttachment("va", name, "n1");
  ASSERT_TRUE(Eventually([&] { return api_->Get<Attachment>({"", "va"})->status().attached(); }));
  SetPhase(name, "Released");
  EXPECT_TRUE(HasEvent("VolumeFailedDelete: volume is still attached to node n1", "default"));
  EXPECT_EQ(csi_.Count("DeleteVolume id-" + name), 0u);
  csi_.Fail({"DeleteVolume", grpc::StatusCode::INTERNAL, "not today"});
  ASSERT_TRUE(api_->Delete<Attachment>({"", "va"}).ok());
  EXPECT_TRUE(HasEvent("VolumeFailedDelete: not today", "default"));
  EXPECT_TRUE(Eventually([&] { return !Exists<Volume>({"", name}); }));
  EXPECT_THAT(csi_.VolumeNames(), IsEmpty());
}

TEST_F(ProvisionerTest, AStaticVolumeIsAttachedOnceItsNodeIsRegisteredAndDetached) {
  StaticVolume("static");
  MakeInDriver("static");
  StartProvisioner();
  MakeAttachment("va", "static", "n1");
  EXPECT_TRUE(Eventually([&] {
    return api_->Get<Attachment>({"", "va"})
               ->status()
               .attacherror()
               .message()
               .find("CSINode n1 does not exist") != std::string::npos;
  }));
  EXPECT_GT(api_->Get<Attachment>({"", "va"})->status().attacherror().time().seconds(), 0);
  RegisterNode("n1");
  ASSERT_TRUE(Eventually([&] { return api_->Get<Attachment>({"", "va"})->status().attached(); }));
  const Attachment attached = *api_->Get<Attachment>({"", "va"});
  EXPECT_EQ(attached.status().attachmentmetadata().at("device"), "/dev/id-of-n1");
  EXPECT_FALSE(attached.status().has_attacherror());
  EXPECT_EQ(kube::Annotation(attached.metadata(), kNodeIdAnnotation), "id-of-n1");
  EXPECT_TRUE(kube::HasFinalizer(attached.metadata(), AttacherFinalizer(csi_.name())));

  csi_.Fail({"ControllerUnpublishVolume", grpc::StatusCode::INTERNAL, "still writing"});
  ASSERT_TRUE(api_->Delete<Attachment>({"", "va"}).ok());
  EXPECT_TRUE(Eventually([&] { return !Exists<Attachment>({"", "va"}); }));
  EXPECT_EQ(csi_.Count("ControllerUnpublishVolume id-static"), 2u);
  ASSERT_TRUE(api_->Delete<Volume>({"", "static"}).ok());
  EXPECT_TRUE(Eventually([&] { return !Exists<Volume>({"", "static"}); }));
  EXPECT_THAT(csi_.VolumeNames(), ElementsAre("static"));
}

TEST_F(ProvisionerTest, AttachesThatHangHoldUpNoDetach) {
  RegisterNode("n1");
  StaticVolume("a");
  MakeInDriver("a");
  StartProvisioner();
  MakeAttachment("va-a", "a", "n1");
  ASSERT_TRUE(Eventually([&] { return api_->Get<Attachment>({"", "va-a"})->status().attached(); }));
  csi_.Hold("ControllerPublishVolume");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "hung-" + std::to_string(i);
    StaticVolume(name);
    MakeAttachment("va-" + name, name, "n1");
  }
  ASSERT_TRUE(csi_.WaitUntil([](const auto& state) { return state.calls.size() >= 17; }));
  ASSERT_TRUE(api_->Delete<Attachment>({"", "va-a"}).ok());
  EXPECT_TRUE(Eventually([&] { return !Exists<Attachment>({"", "va-a"}); }));
}

TEST_F(ProvisionerTest, OneReplicaLeadsAndTheNextTakesOverAtOnceAfterACleanStop) {
  kube::LeaderElector::Options lease;
  lease.ns = ns_;
  lease.lease_duration =
      absl::Minutes(5);  // longer than the test waits: only a lease given back is taken
  StartProvisioner(lease);
  ASSERT_TRUE(Eventually([&] { return provisioner_->leading(); }));
  Options options;
  options.instance = "test-1";
  options.lease = lease;
  Provisioner second(*api_, clock_, csi_.Channel(), options);
  ASSERT_TRUE(second.Start().ok());
  const std::string name = MakeClaim("www");
  EXPECT_TRUE(Eventually([&] { return Exists<Volume>({"", name}); }));
  EXPECT_FALSE(second.leading());
  StopProvisioner();
  EXPECT_TRUE(Eventually([&] { return second.leading(); }));
  EXPECT_EQ(csi_.Count("CreateVolume " + name), 1u);
}

TEST_F(ProvisionerTest, AClaimWhoseSecretCannotBeReadIsNotBegunAndCanBeDeleted) {
  DeleteAll<kube::storage::StorageClass>({});
  MakeClass({{"csi.storage.k8s.io/provisioner-secret-name", "no-such-secret"},
             {"csi.storage.k8s.io/provisioner-secret-namespace", ns_}});
  StartProvisioner();
  const std::string name = MakeClaim("data");
  EXPECT_TRUE(HasEvent("no-such-secret", ns_));
  ASSERT_TRUE(api_->Delete<Claim>({ns_, "data"}).ok());
  EXPECT_TRUE(Eventually([&] { return !Exists<Claim>({ns_, "data"}); }));
  EXPECT_EQ(csi_.Count("CreateVolume " + name), 0u);
}

TEST_F(ProvisionerTest, ASecretThatMayNotBeReadSaysWhichBindingIsMissing) {
  kube::Config nobody = server_->config();
  nobody.token.clear();
  const std::unique_ptr<kube::ApiClient> limited = *kube::Connect(nobody);
  const Status refused = ReadSecret(*limited, SecretName{"team", "key"}).status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("bind a Role in namespace \"team\" that allows get on secrets \"key\""));
}

}  // namespace
}  // namespace berth::provisioner
