#include "rbd/doctor/diagnosis.h"

#include <gmock/gmock.h>

#include <set>

namespace berth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A healthy cluster with one ready volume, held by node n1, to which each test does one damage.
class DiagnosisTest : public ::testing::Test {
 protected:
  DiagnosisTest() {
    seen_.alias = "lab";
    seen_.user = "berth";
    seen_.now = absl::FromUnixSeconds(1'000'000);
    seen_.version = "0.3.1";
    seen_.ceph.monitors = {"a", "b", "c"};
    seen_.ceph.versions = {{"ceph version 16.2.15 (hash) pacific (stable)", 3}};
    seen_.nodes = {Node("n1"), Node("n2")};
    ObservedNamespace in;
    in.where = {"lab", "rbd", "", ""};
    VolumeRecord record;
    record.image = "v";
    record.image_id = "id-v";
    record.state = VolumeState::kReady;
    record.writer = {.epoch = 4,
                     .node = "n1",
                     .boot_id = "boot",
                     .state = ClaimState::kOpen,
                     .instances = {"10.0.0.1:0/7"},
                     .dead = {},
                     .one_pod = false};
    in.records = {record};
    in.images = {{"v", {.name = "v", .id = "id-v"}}};
    seen_.namespaces = {in};
  }

  NodeRecord Node(const std::string& id) const {
    return {.node_id = id,
            .boot_id = "boot",
            .version = "0.3.0",
            .seen_s = absl::ToUnixSeconds(seen_.now) - 20};
  }
  int64_t Ago(absl::Duration time) const { return absl::ToUnixSeconds(seen_.now - time); }
  ObservedNamespace& in() { return seen_.namespaces[0]; }
  VolumeRecord& record() { return in().records[0]; }
  void AddTrash(absl::Duration overdue, const ObservedImage& image) {
    TrashRecord trash;
    trash.image = "w";
    trash.image_id = "id-w";
    trash.purge_after_s = Ago(overdue);
    in().trash_records = {trash};
    if (!image.id.empty()) in().trash = {{image.id, image}};
  }
  void AddFence(const std::string& node) {
    in().fences = {{.instance = "10.0.0.9:0/9", .image = "v", .node = node, .boot_id = "boot"}};
    seen_.blocklist = {{"10.0.0.9:0/9", Ago(-absl::Hours(10000))}};
  }
  // The one finding there is.
  Finding Only() {
    const std::vector<Finding> findings = Diagnose(seen_);
    EXPECT_EQ(findings.size(), 1U);
    for (const Finding& finding : findings) {
      EXPECT_FALSE(finding.object.empty() || finding.problem.empty() || finding.impact.empty() ||
                   finding.advice.empty())
          << finding.kind;
    }
    return findings.empty() ? Finding{} : findings[0];
  }
  void ExpectOnly(Severity severity, const std::string& kind, const std::string& object,
                  std::optional<RemedyKind> remedy) {
    const Finding finding = Only();
    EXPECT_EQ(SeverityName(finding.severity), SeverityName(severity));
    EXPECT_EQ(finding.kind, kind);
    EXPECT_EQ(finding.object, object);
    EXPECT_EQ(finding.remedy ? RemedyName(finding.remedy->kind) : "none",
              remedy ? RemedyName(*remedy) : "none");
  }

  ObservedCluster seen_;
};

TEST_F(DiagnosisTest, AHealthyClusterHasNoFindings) { EXPECT_THAT(Diagnose(seen_), IsEmpty()); }

TEST_F(DiagnosisTest, ClusterThatIsDown) {
  seen_ = {};
  seen_.alias = "lab";
  seen_.connected = absl::DeadlineExceededError("no monitor answered");
  ExpectOnly(Severity::kError, "cluster-unreachable", "lab", std::nullopt);
}

TEST_F(DiagnosisTest, WhatWasNotSeenIsSaid) {
  seen_.unseen = {{"pool-unseen", "lab/rbd", absl::DeadlineExceededError("slow")}};
  ExpectOnly(Severity::kError, "pool-unseen", "lab/rbd", std::nullopt);
}

TEST_F(DiagnosisTest, MonitorsVersionsAndHealth) {
  seen_.ceph.monitors_out = {"c"};
  seen_.ceph.versions["ceph version 19.2.0 (hash) squid (stable)"] = 1;
  seen_.ceph.health = {{"POOL_FULL", "HEALTH_WARN", "1 pool(s) full"},
                       {"MON_CLOCK_SKEW", "HEALTH_WARN", "clock skew on mon.b"},
                       {"POOL_NO_REDUNDANCY", "HEALTH_WARN", "1 pool(s)"}};
  std::vector<std::string> kinds;
  for (const Finding& finding : Diagnose(seen_)) {
    kinds.push_back(std::string(SeverityName(finding.severity)) + " " + finding.kind);
  }
  EXPECT_THAT(kinds,
              ElementsAre("error ceph-health", "warning monitors-out", "warning ceph-versions",
                          "warning clock-skew", "info ceph-health"));
}

TEST_F(DiagnosisTest, MissingCapsAreNamed) {
  seen_.missing_caps = {{"lab/rbd", "osd 'profile rbd pool=rbd'", "no volumes"}};
  ExpectOnly(Severity::kError, "caps-missing", "lab/rbd", std::nullopt);
  EXPECT_THAT(Only().problem, HasSubstr("client.berth lacks the caps osd 'profile rbd pool=rbd'"));
}

TEST_F(DiagnosisTest, PoolThatMayNotBeRead) {
  seen_.closed_pools = {"other"};
  ExpectOnly(Severity::kInfo, "pools-closed", "lab", std::nullopt);
}

TEST_F(DiagnosisTest, CreationIsGivenUpOnlyWhenOldAndWithoutImage) {
  record().state = VolumeState::kCreating;
  record().image_id.clear();
  record().writer = {};
  in().images.clear();
  record().attempted_s = Ago(absl::Minutes(5));
  EXPECT_THAT(Diagnose(seen_), IsEmpty()) << "it may be going on";
  record().attempted_s = Ago(absl::Minutes(59));
  ExpectOnly(Severity::kWarning, "create-unfinished", "lab/rbd/v", std::nullopt);
  record().attempted_s = Ago(absl::Minutes(60));
  ExpectOnly(Severity::kWarning, "create-unfinished", "lab/rbd/v", RemedyKind::kForgetRecord);
  in().images = {{"v", {.name = "v", .id = "id-v"}}};
  ExpectOnly(Severity::kWarning, "create-unfinished", "lab/rbd/v", std::nullopt);
  in().images.clear();
  record().attempted_s = 0;
  ExpectOnly(Severity::kWarning, "create-unfinished", "lab/rbd/v", std::nullopt);
}

TEST_F(DiagnosisTest, ImageThatIsGone) {
  record().writer = {};
  in().images.clear();
  ExpectOnly(Severity::kError, "image-missing", "lab/rbd/v", std::nullopt);
  EXPECT_THAT(Only().problem, HasSubstr("does not exist"));
  in().trash = {{"id-v", {.name = "v", .id = "id-v"}}};
  ExpectOnly(Severity::kError, "image-missing", "lab/rbd/v", std::nullopt);
  EXPECT_THAT(Only().advice, HasSubstr("rbd trash restore id-v"));
}

TEST_F(DiagnosisTest, ImageThatWasRenamed) {
  record().writer = {};
  in().images = {{"mine", {.name = "mine", .id = "id-v"}}};
  const std::vector<Finding> findings = Diagnose(seen_);
  ASSERT_EQ(findings.size(), 2U) << "under its new name it is foreign";
  EXPECT_EQ(findings[0].kind, "image-missing");
  EXPECT_THAT(findings[0].problem, HasSubstr("renamed to \"mine\""));
  EXPECT_EQ(findings[1].kind, "images-foreign");
  for (const Finding& finding : findings) EXPECT_FALSE(finding.remedy);
}

TEST_F(DiagnosisTest, RecordOfAForeignImageThatIsGone) {
  record().state = VolumeState::kForeign;
  in().images.clear();
  ExpectOnly(Severity::kWarning, "image-missing", "lab/rbd/v", std::nullopt);
  record().writer.state = ClaimState::kFree;
  ExpectOnly(Severity::kWarning, "image-missing", "lab/rbd/v", RemedyKind::kForgetRecord);
}

TEST_F(DiagnosisTest, AnotherImageUnderAVolumesName) {
  in().images["v"].id = "id-x";
  ExpectOnly(Severity::kError, "image-replaced", "lab/rbd/v", std::nullopt);
  record().state = VolumeState::kForeign;
  EXPECT_THAT(Diagnose(seen_), IsEmpty()) << "its owner may do that";
}

TEST_F(DiagnosisTest, ImageWithoutHeader) {
  in().images["v"].has_header = false;
  ExpectOnly(Severity::kError, "image-broken", "lab/rbd/v", std::nullopt);
}

TEST_F(DiagnosisTest, SnapshotsOfOthers) {
  in().images["v"].snapshots = 2;
  ExpectOnly(Severity::kInfo, "snapshots-foreign", "lab/rbd/v", std::nullopt);
}

TEST_F(DiagnosisTest, ForeignImagesAreOneFinding) {
  for (const char* name : {"x", "y"}) in().images[name] = {.name = name, .id = name};
  ExpectOnly(Severity::kInfo, "images-foreign", "lab/rbd", std::nullopt);
  EXPECT_THAT(Only().problem, HasSubstr("x, y"));
}

TEST_F(DiagnosisTest, ImageOfARecordThatCannotBeReadIsNotForeign) {
  in().images["u"] = {.name = "u", .id = "id-u"};
  seen_.unseen = {{"record-unreadable", "lab/rbd/u", absl::DataLossError("version 9")}};
  ExpectOnly(Severity::kError, "record-unreadable", "lab/rbd/u", std::nullopt);
}

TEST_F(DiagnosisTest, DeletionThatWasCutOff) {
  record().state = VolumeState::kDeleting;
  record().writer = {};
  ExpectOnly(Severity::kWarning, "delete-unfinished", "lab/rbd/v", RemedyKind::kFinishDelete);
  // Its image on the way through the trash is accounted for, also when its id was not recorded.
  in().images.clear();
  in().trash = {{"id-v", {.name = "v", .id = "id-v"}}};
  record().image_id.clear();
  ExpectOnly(Severity::kWarning, "delete-unfinished", "lab/rbd/v", RemedyKind::kFinishDelete);
}

TEST_F(DiagnosisTest, TrashIsPurgedOnlyPastItsTime) {
  const ObservedImage image = {.name = "w", .id = "id-w"};
  const std::string name = "lab/rbd/w (image id id-w in the trash)";
  AddTrash(-absl::Hours(1), image);
  EXPECT_THAT(Diagnose(seen_), IsEmpty());
  AddTrash(absl::Minutes(30), image);
  EXPECT_THAT(Diagnose(seen_), IsEmpty()) << "the sweeper has not been here yet";
  AddTrash(absl::Hours(2), image);
  ExpectOnly(Severity::kWarning, "trash-overdue", name, RemedyKind::kPurgeTrash);
  AddTrash(absl::Hours(2), {.name = "w", .id = "id-w", .snapshots = 1, .has_clones = true});
  ExpectOnly(Severity::kWarning, "trash-overdue", name, std::nullopt);
  EXPECT_THAT(Only().advice, HasSubstr("rbd flatten"));
}

TEST_F(DiagnosisTest, TrashRecordWithoutImage) {
  const std::string name = "lab/rbd/w (image id id-w in the trash)";
  AddTrash(-absl::Hours(1), {});
  ExpectOnly(Severity::kWarning, "trash-record-stale", name, RemedyKind::kForgetTrash);
  in().images["back"] = {.name = "back", .id = "id-w"};
  const std::vector<Finding> findings = Diagnose(seen_);
  std::set<std::string> kinds;
  for (const Finding& finding : findings) {
    kinds.insert(finding.kind);
    EXPECT_FALSE(finding.remedy) << finding.kind;
  }
  EXPECT_THAT(kinds, ElementsAre("images-foreign", "trash-restored"));
}

TEST_F(DiagnosisTest, TrashOfOthers) {
  in().trash = {{"id-x", {.name = "x", .id = "id-x"}}};
  ExpectOnly(Severity::kInfo, "trash-foreign", "lab/rbd", std::nullopt);
}

TEST_F(DiagnosisTest, RevocationThatWasCutOff) {
  record().writer.state = ClaimState::kRevoking;
  ExpectOnly(Severity::kWarning, "claim-revoking", "lab/rbd/v", RemedyKind::kFinishRevoke);
  EXPECT_EQ(Only().remedy->epoch, 4U);
}

TEST_F(DiagnosisTest, FencedNodeThatStillHoldsAVolume) {
  seen_.node_fences = {{.node_id = "n1", .reason = "smoke", .since_s = 1}};
  const std::vector<Finding> findings = Diagnose(seen_);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].kind, "claim-node-fenced");
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].remedy->kind, RemedyKind::kRevokeClaim);
  EXPECT_EQ(findings[1].kind, "node-fenced");
  EXPECT_EQ(findings[1].severity, Severity::kInfo);
}

TEST_F(DiagnosisTest, EveryNodeThatSharesAVolumeIsLookedAt) {
  const WriterClaim first = record().writer;
  WriterClaim second;
  second.epoch = 5;
  second.node = "n3";
  second.state = ClaimState::kRevoking;
  record().writer = {};
  record().shared = {AccessMode::kReadWriteMany, {first, second}};
  ExpectOnly(Severity::kWarning, "claim-revoking", "lab/rbd/v", RemedyKind::kFinishRevoke);
  EXPECT_EQ(Only().remedy->epoch, 5U);
  seen_.blocklist = {{first.instances[0], Ago(-absl::Hours(10000))}};
  const std::vector<Finding> findings = Diagnose(seen_);
  ASSERT_EQ(findings.size(), 2U) << "the client in the other claim is accounted for";
  EXPECT_EQ(findings[0].kind, "claim-client-blocked");
}

TEST_F(DiagnosisTest, HolderThatIsNotRegistered) {
  seen_.nodes = {Node("n2")};
  ExpectOnly(Severity::kWarning, "claim-node-unregistered", "lab/rbd/v", std::nullopt);
  // What could not be seen may account for it.
  seen_.unseen = {{"nodes-unseen", "lab", absl::UnavailableError("x")}};
  ExpectOnly(Severity::kError, "nodes-unseen", "lab", std::nullopt);
}

TEST_F(DiagnosisTest, HolderThatHasBooted) {
  seen_.nodes[0].boot_id = "next";
  ExpectOnly(Severity::kInfo, "claim-before-boot", "lab/rbd/v", std::nullopt);
}

TEST_F(DiagnosisTest, ClientThatSomebodyElseBlocked) {
  seen_.blocklist = {{"10.0.0.1:0/7", Ago(-absl::Hours(1))}};
  ExpectOnly(Severity::kError, "claim-client-blocked", "lab/rbd/v", std::nullopt);
  record().writer.dead = {"10.0.0.1:0/7"};
  EXPECT_THAT(Diagnose(seen_), IsEmpty()) << "the fence of a dead process";
}

TEST_F(DiagnosisTest, Fences) {
  AddFence("n2");
  EXPECT_THAT(Diagnose(seen_), IsEmpty());
  const std::string name = "client 10.0.0.9:0/9 of lab/rbd/v";
  seen_.blocklist.clear();
  ExpectOnly(Severity::kError, "fence-not-in-force", name, RemedyKind::kRestoreFence);
  seen_.nodes[1].boot_id = "next";
  ExpectOnly(Severity::kInfo, "fence-outlived", name, RemedyKind::kForgetFence);
  AddFence("n3");
  ExpectOnly(Severity::kInfo, "fence-node-unknown", name, std::nullopt);
}

TEST_F(DiagnosisTest, BlocklistEntriesWithoutARecord) {
  seen_.blocklist = {{"10.0.0.8:0/8", Ago(-absl::Hours(1))}};
  EXPECT_THAT(Diagnose(seen_), IsEmpty()) << "others fence too, for an hour or a day";
  seen_.blocklist = {{"10.0.0.8:0/8", Ago(-absl::Hours(24 * 365))}};
  ExpectOnly(Severity::kInfo, "blocklist-unaccounted", "lab", std::nullopt);
}

TEST_F(DiagnosisTest, NodeThatFellSilent) {
  seen_.nodes[0].seen_s = Ago(absl::Hours(48));
  ExpectOnly(Severity::kWarning, "node-silent", "node n1 in lab", std::nullopt);
  record().writer = {};
  ExpectOnly(Severity::kInfo, "node-silent", "node n1 in lab", RemedyKind::kForgetNode);
  seen_.nodes[0].seen_s = Ago(absl::Hours(2));
  ExpectOnly(Severity::kInfo, "node-silent", "node n1 in lab", std::nullopt);
  seen_.nodes[0].seen_s = Ago(absl::Hours(48));
  AddFence("n1");
  ExpectOnly(Severity::kInfo, "node-silent", "node n1 in lab", std::nullopt);
}

TEST_F(DiagnosisTest, NodeWhoseClockIsAhead) {
  seen_.nodes[0].seen_s = Ago(-absl::Minutes(2));
  ExpectOnly(Severity::kWarning, "node-clock", "node n1 in lab", std::nullopt);
}

TEST_F(DiagnosisTest, VersionsOneApartWorkTogether) {
  for (const char* fine : {"0.2.9", "0.3.0", "0.4.0"}) {
    seen_.nodes[0].version = fine;
    EXPECT_THAT(Diagnose(seen_), IsEmpty()) << fine;
  }
  for (const char* apart : {"0.1.0", "0.5.0", "1.3.1", "unknown"}) {
    seen_.nodes[0].version = apart;
    ExpectOnly(Severity::kWarning, "node-version", "node n1 in lab", std::nullopt);
  }
}

TEST(RemedyTest, NamesLeadBack) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(RemedyKind::kForgetNode); ++kind) {
    const Remedy remedy = {
        .kind = static_cast<RemedyKind>(kind), .where = {"lab", "rbd", "", ""}, .key = "key"};
    names.insert(RemedyName(remedy.kind));
    EXPECT_EQ(FindRemedy(RemedyName(remedy.kind)), remedy.kind);
    EXPECT_THAT(remedy.Describe(), HasSubstr("key"));
  }
  EXPECT_EQ(names.size(), 9U);
  EXPECT_EQ(FindRemedy("of-a-newer-version"), std::nullopt);
}

}  // namespace
}  // namespace berth
