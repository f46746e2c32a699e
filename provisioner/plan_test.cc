// The pure decisions of the loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/json_patch.h"
#include "provisioner/attachment_plan.h"
#include "provisioner/capability.h"
#include "provisioner/claim_plan.h"
#include "provisioner/class_parameters.h"
#include "provisioner/names.h"
#include "provisioner/volume_object.h"
#include "provisioner/volume_plan.h"

namespace berth::provisioner {
namespace {

using ::testing::HasSubstr;
using Claim = kube::core::PersistentVolumeClaim;
using Volume = kube::core::PersistentVolume;
using Attachment = kube::storage::VolumeAttachment;
using StorageClass = kube::storage::StorageClass;
using AccessMode = csi::v1::VolumeCapability::AccessMode;

const std::string kDriver = "rbd.example.com";
const CsiDriver::Capabilities kAll{true, true, true, true};

Claim NewClaim() {
  Claim claim;
  claim.mutable_metadata()->set_namespace_("ns");
  claim.mutable_metadata()->set_name("www");
  claim.mutable_metadata()->set_uid("u1");
  (*claim.mutable_metadata()->mutable_annotations())[kStorageProvisioner] = kDriver;
  claim.mutable_spec()->set_storageclassname("fast");
  claim.mutable_spec()->add_accessmodes("ReadWriteOnce");
  claim.mutable_spec()->set_volumemode("Filesystem");
  (*claim.mutable_spec()->mutable_resources()->mutable_requests())["storage"].set_string("1Gi");
  return claim;
}

StorageClass NewClass() {
  StorageClass storage_class;
  storage_class.mutable_metadata()->set_name("fast");
  storage_class.mutable_metadata()->set_uid("class-1");
  storage_class.set_provisioner(kDriver);
  storage_class.add_mountoptions("noatime");
  (*storage_class.mutable_parameters())["pool"] = "rbd";
  return storage_class;
}

void SetIntent(Claim& claim, const std::string& text) {
  (*claim.mutable_metadata()->mutable_annotations())[kIntentAnnotation] = text;
  claim.mutable_metadata()->add_finalizers(kProvisioningFinalizer);
}

Claim StartedClaim() {
  Claim claim = NewClaim();
  SetIntent(claim, EncodeIntent(*MakeIntent(claim, NewClass(), kDriver, kAll)));
  return claim;
}

void Delete(Claim& claim) { claim.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1); }

class ClaimPlanTest : public ::testing::Test {
 protected:
  ClaimPlan Plan() {
    return PlanClaim({claim_, class_ ? &*class_ : nullptr, volume_exists_, kDriver});
  }
  ClaimPlan::Step Step() { return Plan().step; }

  Claim claim_ = NewClaim();
  std::optional<StorageClass> class_ = NewClass();
  bool volume_exists_ = false;
};

TEST_F(ClaimPlanTest, ANewClaimBegins) {
  EXPECT_EQ(Step(), ClaimPlan::Step::kBegin);
  auto& annotations = *claim_.mutable_metadata()->mutable_annotations();
  annotations.erase(kStorageProvisioner);
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
  annotations[kBetaStorageProvisioner] = kDriver;
  EXPECT_EQ(Step(), ClaimPlan::Step::kBegin);
}

TEST_F(ClaimPlanTest, OthersClaimsAreLeftAlone) {
  (*claim_.mutable_metadata()->mutable_annotations())[kStorageProvisioner] = "other";
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
  claim_ = StartedClaim();
  Intent others = *DecodeIntent(kube::Annotation(claim_.metadata(), kIntentAnnotation));
  others.driver = "other";
  (*claim_.mutable_metadata()->mutable_annotations())[kIntentAnnotation] = EncodeIntent(others);
  Delete(claim_);
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
}

TEST_F(ClaimPlanTest, ABoundOrDeletedClaimWithoutIntentNeedsNothing) {
  claim_.mutable_spec()->set_volumename("static");
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
  claim_ = NewClaim();
  Delete(claim_);
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
}

TEST_F(ClaimPlanTest, WaitForFirstConsumerWaitsForTheNode) {
  class_->set_volumebindingmode("WaitForFirstConsumer");
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
  (*claim_.mutable_metadata()->mutable_annotations())[kSelectedNode] = "n1";
  EXPECT_EQ(Step(), ClaimPlan::Step::kBegin);
}

TEST_F(ClaimPlanTest, WhatCannotBeMadeIsRejectedInWords) {
  claim_.mutable_spec()->mutable_selector();
  EXPECT_EQ(Step(), ClaimPlan::Step::kReject);
  EXPECT_THAT(Plan().message, HasSubstr("selector"));
  claim_ = NewClaim();
  claim_.mutable_spec()->mutable_datasourceref()->set_kind("VolumeSnapshot");
  claim_.mutable_spec()->mutable_datasourceref()->set_name("nightly");
  EXPECT_THAT(Plan().message, HasSubstr("VolumeSnapshot nightly"));
  claim_ = NewClaim();
  class_.reset();
  EXPECT_THAT(Plan().message, HasSubstr("StorageClass \"fast\" does not exist"));
}

TEST_F(ClaimPlanTest, AStartedClaimGoesOnUntilItsVolumeHasItsObject) {
  claim_ = StartedClaim();
  EXPECT_EQ(Step(), ClaimPlan::Step::kCreate);
  EXPECT_EQ(Plan().intent->request.name(), "pvc-u1");
  volume_exists_ = true;
  EXPECT_EQ(Step(), ClaimPlan::Step::kNothing);
  claim_.mutable_status()->set_phase("Bound");
  EXPECT_EQ(Step(), ClaimPlan::Step::kRelease);
}

TEST_F(ClaimPlanTest, AStartedClaimThatIsNoLongerWantedIsUndone) {
  claim_ = StartedClaim();
  Delete(claim_);
  EXPECT_EQ(Step(), ClaimPlan::Step::kUndo);
  volume_exists_ = true;
  EXPECT_EQ(Step(), ClaimPlan::Step::kRelease);

  volume_exists_ = false;
  claim_ = StartedClaim();
  claim_.mutable_spec()->set_volumename("static");
  EXPECT_EQ(Step(), ClaimPlan::Step::kUndo);
  claim_ = StartedClaim();
  class_->mutable_metadata()->set_uid("class-2");
  EXPECT_EQ(Step(), ClaimPlan::Step::kUndo);
  class_.reset();
  EXPECT_EQ(Step(), ClaimPlan::Step::kUndo);
}

TEST_F(ClaimPlanTest, ADamagedIntentIsMadeAgainAndNeverSilentlyDropped) {
  SetIntent(claim_, "{}");
  EXPECT_EQ(Step(), ClaimPlan::Step::kBegin);
  Delete(claim_);
  EXPECT_EQ(Step(), ClaimPlan::Step::kReject);
  EXPECT_THAT(Plan().message, HasSubstr("pvc-u1"));
}

TEST(ClaimNeedsLookTest, OwnWritesBringNoWorkButTheirEndDoes) {
  const Claim fresh = NewClaim();
  const Claim started = StartedClaim();
  EXPECT_TRUE(ClaimNeedsLook(nullptr, fresh));
  EXPECT_FALSE(ClaimNeedsLook(&fresh, fresh));
  EXPECT_FALSE(ClaimNeedsLook(&fresh, started));
  EXPECT_TRUE(ClaimNeedsLook(&started, fresh));
  Claim changed = started;
  Delete(changed);
  EXPECT_TRUE(ClaimNeedsLook(&started, changed));
  changed = started;
  changed.mutable_status()->set_phase("Bound");
  EXPECT_TRUE(ClaimNeedsLook(&started, changed));
  changed = started;
  (*changed.mutable_metadata()->mutable_annotations())[kSelectedNode] = "n1";
  EXPECT_TRUE(ClaimNeedsLook(&started, changed));
}

TEST(OutcomeTest, OnlyCodesThatSayTheEndAreFinal) {
  using absl::StatusCode;
  for (const StatusCode code :
       {StatusCode::kCancelled, StatusCode::kDeadlineExceeded, StatusCode::kUnavailable,
        StatusCode::kAborted, StatusCode::kUnknown}) {
    EXPECT_EQ(OutcomeOf(code), CreateOutcome::kUnknown);
  }
  EXPECT_EQ(OutcomeOf(StatusCode::kOk), CreateOutcome::kCreated);
  EXPECT_EQ(OutcomeOf(StatusCode::kInvalidArgument), CreateOutcome::kInfeasible);
  EXPECT_EQ(OutcomeOf(StatusCode::kResourceExhausted), CreateOutcome::kFailed);
  EXPECT_EQ(OutcomeOf(StatusCode::kInternal), CreateOutcome::kFailed);
}

TEST(IntentTest, TheRequestIsWhatTheClassAndTheClaimSay) {
  StorageClass storage_class = NewClass();
  auto& parameters = *storage_class.mutable_parameters();
  parameters["csi.storage.k8s.io/fstype"] = "ext4";
  parameters["csi.storage.k8s.io/provisioner-secret-name"] = "key-${pvc.name}";
  parameters["csi.storage.k8s.io/provisioner-secret-namespace"] = "${pvc.namespace}";
  const StatusOr<Intent> intent = MakeIntent(NewClaim(), storage_class, kDriver, kAll);
  ASSERT_TRUE(intent.ok()) << intent.status();
  const csi::v1::CreateVolumeRequest& request = intent->request;
  EXPECT_EQ(request.name(), "pvc-u1");
  EXPECT_EQ(request.capacity_range().required_bytes(), 1 << 30);
  EXPECT_EQ(intent->secret, (SecretName{"ns", "key-www"}));
  const std::map<std::string, std::string> given(request.parameters().begin(),
                                                 request.parameters().end());
  EXPECT_EQ(given, (std::map<std::string, std::string>{{"pool", "rbd"},
                                                       {"csi.storage.k8s.io/pvc/name", "www"},
                                                       {"csi.storage.k8s.io/pvc/namespace", "ns"},
                                                       {"csi.storage.k8s.io/pv/name", "pvc-u1"}}));
  ASSERT_EQ(request.volume_capabilities_size(), 1);
  const csi::v1::VolumeCapability& capability = request.volume_capabilities(0);
  EXPECT_EQ(capability.access_mode().mode(), AccessMode::SINGLE_NODE_MULTI_WRITER);
  EXPECT_EQ(capability.mount().fs_type(), "ext4");
  ASSERT_EQ(capability.mount().mount_flags_size(), 1);
  EXPECT_EQ(capability.mount().mount_flags(0), "noatime");
}

TEST(IntentTest, ItSurvivesTheAnnotation) {
  Intent intent = *MakeIntent(NewClaim(), NewClass(), kDriver, kAll);
  intent.secret = SecretName{"a", "b"};
  const StatusOr<Intent> decoded = DecodeIntent(EncodeIntent(intent));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeIntent(*decoded), EncodeIntent(intent));
  EXPECT_EQ(decoded->secret, intent.secret);
  for (const char* text : {"", "{}", "[", R"({"version": 2})", R"({"version": "x"})"}) {
    EXPECT_EQ(DecodeIntent(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(ClassParametersTest, MistakesAreNamed) {
  const auto message = [](const std::map<std::string, std::string>& parameters) {
    return std::string(ParseClassParameters(parameters).status().message());
  };
  EXPECT_THAT(message({{"csi.storage.k8s.io/fs-type", "x"}}),
              HasSubstr("csi.storage.k8s.io/fs-type"));
  EXPECT_THAT(message({{"csi.storage.k8s.io/node-stage-secret-name", "x"}}),
              HasSubstr("node-stage-secret-namespace are needed together"));
}

TEST(ClassParametersTest, SecretsFallBackAndTokensAreBounded) {
  const auto resolve = [](const std::string& name, const std::string& ns) {
    const auto parameters = ParseClassParameters(
        {{"csi.storage.k8s.io/secret-name", name}, {"csi.storage.k8s.io/secret-namespace", ns}});
    Claim claim = NewClaim();
    (*claim.mutable_metadata()->mutable_annotations())["team"] = "blue";
    (*claim.mutable_metadata()->mutable_annotations())["evil"] = "../x";
    return ResolveSecret(*parameters, SecretUse::kNodeStage, "pvc-u1", claim);
  };
  EXPECT_EQ(**resolve("${pvc.annotations['team']}-${pv.name}", "${pvc.namespace}"),
            (SecretName{"ns", "blue-pvc-u1"}));
  EXPECT_FALSE(resolve("a", "${pvc.name}").ok());
  EXPECT_FALSE(resolve("a", "${pvc.annotations['team']}").ok());
  EXPECT_FALSE(resolve("${pvc.annotations['absent']}", "b").ok());
  EXPECT_FALSE(resolve("${pvc.annotations['", "b").ok());
  EXPECT_FALSE(resolve("${pvc.annotations['evil']}", "b").ok());
  EXPECT_FALSE(resolve("${pv.name", "b").ok());
}

TEST(VolumeObjectTest, ItIsWhatClustersExpect) {
  csi::v1::Volume volume;
  volume.set_volume_id("lab/rbd/pvc-u1");
  volume.set_capacity_bytes(int64_t{2} << 30);
  (*volume.mutable_volume_context())["image"] = "x";
  (*volume.add_accessible_topology()->mutable_segments())["zone"] = "a";
  StorageClass storage_class = NewClass();
  (*storage_class.mutable_parameters())["csi.storage.k8s.io/fstype"] = "ext4";
  (*storage_class.mutable_parameters())["csi.storage.k8s.io/node-stage-secret-name"] = "s";
  (*storage_class.mutable_parameters())["csi.storage.k8s.io/node-stage-secret-namespace"] = "n";
  const Claim claim = NewClaim();
  const Intent intent = *MakeIntent(claim, storage_class, kDriver, kAll);
  const StatusOr<Volume> object =
      MakeVolumeObject(claim, storage_class, intent, volume, "identity");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->metadata().name(), "pvc-u1");
  EXPECT_TRUE(kube::HasFinalizer(object->metadata(), kDeletionFinalizer));
  EXPECT_EQ(kube::Annotation(object->metadata(), kProvisionedBy), kDriver);
  EXPECT_TRUE(object->metadata().annotations().contains(kDeletionSecretName));
  EXPECT_TRUE(object->metadata().annotations().contains(kDeletionSecretNamespace));
  const auto& spec = object->spec();
  EXPECT_EQ(spec.capacity().at("storage").string(), "2Gi");
  EXPECT_EQ(spec.claimref().uid(), "u1");
  EXPECT_EQ(spec.claimref().kind(), "PersistentVolumeClaim");
  EXPECT_EQ(spec.storageclassname(), "fast");
  EXPECT_EQ(spec.persistentvolumereclaimpolicy(), "Delete");
  EXPECT_EQ(spec.volumemode(), "Filesystem");
  EXPECT_EQ(spec.mountoptions(0), "noatime");
  EXPECT_EQ(spec.accessmodes(0), "ReadWriteOnce");
  const auto& requirement = spec.nodeaffinity().required().nodeselectorterms(0).matchexpressions(0);
  EXPECT_EQ(requirement.key() + requirement.operator_() + requirement.values(0), "zoneIna");
  const auto& source = spec.persistentvolumesource().csi();
  EXPECT_EQ(source.driver(), kDriver);
  EXPECT_EQ(source.volumehandle(), "lab/rbd/pvc-u1");
  EXPECT_EQ(source.fstype(), "ext4");
  EXPECT_EQ(source.volumeattributes().at("image"), "x");
  EXPECT_EQ(source.volumeattributes().at(kIdentityAttribute), "identity");
  EXPECT_EQ(source.nodestagesecretref().name(), "s");
  EXPECT_FALSE(source.has_nodepublishsecretref());
  EXPECT_FALSE(source.readonly());
}

Volume VolumeIn(const std::string& phase, const std::string& policy, bool guarded) {
  Volume volume;
  volume.mutable_metadata()->set_name("v");
  volume.mutable_spec()->mutable_persistentvolumesource()->mutable_csi()->set_driver(kDriver);
  volume.mutable_spec()->set_persistentvolumereclaimpolicy(policy);
  volume.mutable_status()->set_phase(phase);
  if (guarded) volume.mutable_metadata()->add_finalizers(kDeletionFinalizer);
  return volume;
}

VolumePlan::Step StepFor(const Volume& volume, const std::vector<std::string>& nodes = {}) {
  return PlanVolume({volume, nodes, kDriver}).step;
}

TEST(VolumePlanTest, TheStepFollowsPhaseAndPolicy) {
  using Step = VolumePlan::Step;
  EXPECT_EQ(StepFor(VolumeIn("Bound", "Delete", true)), Step::kNothing);
  EXPECT_EQ(StepFor(VolumeIn("Bound", "Delete", false)), Step::kProtect);
  EXPECT_EQ(StepFor(VolumeIn("Available", "Delete", false)), Step::kNothing);
  EXPECT_EQ(StepFor(VolumeIn("Released", "Delete", true)), Step::kDelete);
  EXPECT_EQ(StepFor(VolumeIn("Released", "Delete", true), {"n1"}), Step::kWaitForDetach);
  EXPECT_EQ(StepFor(VolumeIn("Released", "Retain", true)), Step::kUnprotect);
  EXPECT_EQ(StepFor(VolumeIn("Released", "Retain", false)), Step::kNothing);
  Volume others = VolumeIn("Released", "Delete", true);
  others.mutable_spec()->mutable_persistentvolumesource()->mutable_csi()->set_driver("other");
  EXPECT_EQ(StepFor(others), Step::kNothing);
  Volume going = VolumeIn("Released", "Delete", false);
  going.mutable_metadata()->mutable_deletiontimestamp();
  EXPECT_EQ(StepFor(going), Step::kNothing);
}

TEST(VolumePlanTest, TheAttachersFinalizerGoesLast) {
  Volume volume = VolumeIn("Bound", "Retain", false);
  volume.mutable_metadata()->add_finalizers(AttacherFinalizer(kDriver));
  EXPECT_FALSE(PlanVolume({volume, {}, kDriver}).release_attacher);
  volume.mutable_metadata()->mutable_deletiontimestamp();
  EXPECT_TRUE(PlanVolume({volume, {}, kDriver}).release_attacher);
  EXPECT_FALSE(PlanVolume({volume, {"n1"}, kDriver}).release_attacher);
}

TEST(AttachmentPlanTest, TheStepFollowsTheObject) {
  Attachment attachment;
  attachment.mutable_spec()->set_attacher(kDriver);
  EXPECT_EQ(PlanAttachment(attachment, kDriver), AttachmentStep::kAttach);
  EXPECT_EQ(PlanAttachment(attachment, "other"), AttachmentStep::kNothing);
  attachment.mutable_status()->set_attached(true);
  EXPECT_EQ(PlanAttachment(attachment, kDriver), AttachmentStep::kNothing);
  attachment.mutable_metadata()->mutable_deletiontimestamp();
  EXPECT_EQ(PlanAttachment(attachment, kDriver), AttachmentStep::kNothing);
  attachment.mutable_metadata()->add_finalizers(AttacherFinalizer(kDriver));
  EXPECT_EQ(PlanAttachment(attachment, kDriver), AttachmentStep::kDetach);
}

TEST(AttachmentPlanTest, OwnErrorWritesBringNoWork) {
  Attachment before;
  Attachment after = before;
  after.mutable_status()->mutable_attacherror()->set_message("no");
  EXPECT_FALSE(NeedsLook(&before, after));
  EXPECT_TRUE(NeedsLook(nullptr, after));
  after.mutable_metadata()->mutable_deletiontimestamp();
  EXPECT_TRUE(NeedsLook(&before, after));
}

TEST(AttachmentPlanTest, TheNodesIdIsTheRegisteredOneElseTheNotedOne) {
  Attachment attachment;
  attachment.mutable_spec()->set_nodename("n1");
  kube::storage::CSINode node;
  EXPECT_THAT(std::string(NodeIdFor(attachment, nullptr, kDriver).status().message()),
              HasSubstr("CSINode n1 does not exist"));
  EXPECT_THAT(std::string(NodeIdFor(attachment, &node, kDriver).status().message()),
              HasSubstr("does not list driver"));
  (*attachment.mutable_metadata()->mutable_annotations())[kNodeIdAnnotation] = "noted";
  EXPECT_EQ(*NodeIdFor(attachment, &node, kDriver), "noted");
  auto* registered = node.mutable_spec()->add_drivers();
  registered->set_name(kDriver);
  registered->set_nodeid("registered");
  EXPECT_EQ(*NodeIdFor(attachment, &node, kDriver), "registered");
}

TEST(AttachmentPlanTest, FinalizerNamesAreTheAttachers) {
  EXPECT_EQ(AttacherFinalizer("rbd.berth.storage"), "external-attacher/rbd-berth-storage");
  EXPECT_EQ(AttacherFinalizer("a/b."), "external-attacher/a-b-X");
}

TEST(CapabilityTest, AccessModesAreThoseOfCsi) {
  const auto mode = [](const std::vector<std::string>& modes, bool multi) {
    Volume volume;
    for (const std::string& name : modes) volume.mutable_spec()->add_accessmodes(name);
    const auto capability = CapabilityOf(volume, multi);
    return capability.ok() ? AccessMode::Mode_Name(capability->access_mode().mode()) : "refused";
  };
  EXPECT_EQ(mode({"ReadWriteOnce"}, true), "SINGLE_NODE_MULTI_WRITER");
  EXPECT_EQ(mode({"ReadWriteOnce"}, false), "SINGLE_NODE_WRITER");
  EXPECT_EQ(mode({"ReadWriteOncePod"}, true), "SINGLE_NODE_SINGLE_WRITER");
  EXPECT_EQ(mode({"ReadWriteOncePod"}, false), "refused");
  EXPECT_EQ(mode({"ReadOnlyMany"}, true), "MULTI_NODE_READER_ONLY");
  EXPECT_EQ(mode({"ReadWriteMany", "ReadWriteOnce"}, true), "MULTI_NODE_MULTI_WRITER");
  EXPECT_EQ(mode({"ReadOnlyMany", "ReadWriteOnce"}, true), "refused");
  EXPECT_EQ(mode({"ReadWriteOncePod", "ReadWriteMany"}, true), "refused");
  EXPECT_EQ(mode({}, true), "refused");
}

}  // namespace
}  // namespace berth::provisioner
