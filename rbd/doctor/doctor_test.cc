#include "rbd/doctor/doctor.h"

#include <gmock/gmock.h>
#include <rbd/librbd.h>

#include "absl/time/clock.h"
#include "rbd/doctor/testing/doctor_fixture.h"
#include "rbd/image.h"
#include "rbd/volume_claims.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

using Kinds = std::map<std::string, std::string>;  // object → "kind", or "kind: remedy"

Kinds KindsOf(const std::map<std::string, Finding>& findings) {
  Kinds kinds;
  for (const auto& [object, finding] : findings) {
    kinds[object] = finding.kind;
    if (finding.remedy) kinds[object] += ": " + std::string(RemedyName(finding.remedy->kind));
  }
  return kinds;
}

// Every kind of damage at once, made behind Berth's back, so that none hides or spoils another.
class DamageTest : public DoctorTest {
 protected:
  std::string Pool() const { return Handle("").PoolToString(); }

  // What only a person can decide about.
  Kinds DamageForAPerson() {
    Kinds kinds;
    Create("lost");
    EXPECT_EQ(rbd_remove(OpenPool()->io.get(), "lost"), 0);
    kinds[OfVolume("lost")] = "image-missing";
    Create("trashed");
    TrashByHand("trashed");
    kinds[OfVolume("trashed")] = "image-missing";
    Create("replaced");
    EXPECT_EQ(rbd_rename(OpenPool()->io.get(), "replaced", "renamed"), 0);
    CreateForeign("replaced");
    kinds[OfVolume("replaced")] = "image-replaced";
    Create("snapped");
    Snapshot("snapped");
    kinds[OfVolume("snapped")] = "snapshots-foreign";
    const std::string kept = Create("kept-by-snapshot");
    Snapshot("kept-by-snapshot");
    Delete("kept-by-snapshot");
    kinds[OfTrash("kept-by-snapshot", kept)] = "trash-overdue";
    InsertRecord("half-made", VolumeState::kCreating, real_);
    CreateForeign("half-made");
    kinds[OfVolume("half-made")] = "create-unfinished";
    Create("held-by-nobody");
    Open("held-by-nobody", NodeName("unregistered"), Address(1));
    kinds[OfVolume("held-by-nobody")] = "claim-node-unregistered";
    kinds[Pool()] = "images-foreign";  // "renamed"
    return kinds;
  }
  void MakeFreshRecords() {
    InsertRecord("just-begun", VolumeState::kCreating, later_.Now());
    Create("healthy");
  }
  Kinds DamageThatCanBeRepaired() {
    Kinds kinds;
    InsertRecord("given-up", VolumeState::kCreating, real_);
    kinds[OfVolume("given-up")] = "create-unfinished: forget-record";
    InsertRecord("foreign-gone", VolumeState::kForeign, real_);
    kinds[OfVolume("foreign-gone")] = "image-missing: forget-record";
    Create("half-deleted");
    Change("half-deleted", [](VolumeRecord& record) { record.state = VolumeState::kDeleting; });
    kinds[OfVolume("half-deleted")] = "delete-unfinished: finish-delete";
    const std::string overdue = Create("overdue");
    Delete("overdue");
    kinds[OfTrash("overdue", overdue)] = "trash-overdue: purge-trash";
    const std::string purged = Create("purged");
    Delete("purged");
    EXPECT_EQ(rbd_trash_remove(OpenPool()->io.get(), purged.c_str(), true), 0);
    kinds[OfTrash("purged", purged)] = "trash-record-stale: forget-trash";
    Create("half-taken");
    Open("half-taken", NodeName("n1"), Address(2));
    Change("half-taken",
           [](VolumeRecord& record) { EXPECT_TRUE(BeginRevokeClaim(record.writer, "").ok()); });
    kinds[OfVolume("half-taken")] = "claim-revoking: finish-revoke";
    return kinds;
  }
  Kinds DamageOfFences() {
    Kinds kinds;
    const std::string fenced = NodeName("fenced");
    Register(fenced, "boot", absl::ZeroDuration());
    Create("not-taken");
    Open("not-taken", fenced, Address(3));
    EXPECT_TRUE(nodes_.Fence(kCluster, {.node_id = fenced, .reason = "test", .since_s = 1}).ok());
    kinds[OfVolume("not-taken")] = "claim-node-fenced: revoke-claim";
    kinds[OfNode(fenced)] = "node-fenced";
    Register(NodeName("n1"), "boot-2", absl::ZeroDuration());
    RecordFence(Address(4), "x", NodeName("n1"), "boot-2");
    kinds[OfClient(Address(4), "x")] = "fence-not-in-force: restore-fence";
    RecordFence(Address(5), "x", NodeName("n1"), "boot-1");
    kinds[OfClient(Address(5), "x")] = "fence-outlived: forget-fence";
    Register(NodeName("gone"), "boot", absl::Hours(25));
    kinds[OfNode(NodeName("gone"))] = "node-silent: forget-node";
    return kinds;
  }
};

TEST_F(DamageTest, IsNamedAndRepairedWhereThatIsSafe) {
  const Kinds for_a_person = DamageForAPerson();
  Kinds all = for_a_person;
  all.merge(DamageThatCanBeRepaired());
  all.merge(DamageOfFences());
  MakeFreshRecords();
  const std::map<std::string, Finding> found = Examine();
  EXPECT_EQ(KindsOf(found), all);

  for (const auto& [object, finding] : found) {
    if (!finding.remedy) continue;
    const Status status = doctor_.Apply(*finding.remedy);
    EXPECT_TRUE(status.ok()) << object << ": " << status;
  }
  Kinds left = for_a_person;
  left[OfNode(NodeName("fenced"))] = "node-fenced";
  // Fences that are in force now: one node has booted since, as its holder had another boot id.
  left[OfClient(Address(2), "half-taken")] = "fence-outlived: forget-fence";
  EXPECT_EQ(KindsOf(Examine()), left);

  // What a person may want is untouched, and what was taken from a node is fenced.
  for (const char* image : {"replaced", "renamed", "snapped", "half-made", "healthy", "not-taken",
                            "half-taken", "held-by-nobody"}) {
    EXPECT_TRUE(Exists(image)) << image;
  }
  EXPECT_FALSE(Exists("half-deleted"));
  EXPECT_TRUE(OpenPool()->registry.Get("just-begun").ok());
  EXPECT_TRUE(OpenPool()->registry.Get("lost").ok());
  const auto blocklist = *OpenPool()->client->Blocklist();
  for (const int fenced : {2, 3, 4}) EXPECT_TRUE(blocklist.contains(Address(fenced))) << fenced;
  EXPECT_FALSE(blocklist.contains(Address(1))) << "nobody asked to take that volume";

  for (const auto& [object, finding] : found) {
    if (!finding.remedy) continue;
    const Status again = doctor_.Apply(*finding.remedy);
    EXPECT_EQ(again.code(), absl::StatusCode::kAborted) << object << ": " << again;
  }
  EXPECT_EQ(KindsOf(Examine()), left);
}

// A remedy does nothing when what it was proposed for is not so any more.
class ChangedMeanwhileTest : public DoctorTest {
 protected:
  Remedy RemedyFor(const std::string& object) {
    const std::map<std::string, Finding> found = Examine();
    if (!found.contains(object) || !found.at(object).remedy) {
      ADD_FAILURE() << "there is no remedy for " << object;
      return {};
    }
    return *found.at(object).remedy;
  }
  void ExpectSkipped(const Remedy& remedy) {
    const Status status = doctor_.Apply(remedy);
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  }
};

TEST_F(ChangedMeanwhileTest, ACreationGoesOn) {
  InsertRecord("v", VolumeState::kCreating, real_);
  const Remedy remedy = RemedyFor(OfVolume("v"));
  Change("v",
         [this](VolumeRecord& record) { record.attempted_s = absl::ToUnixSeconds(later_.Now()); });
  ExpectSkipped(remedy);
  Change("v", [this](VolumeRecord& record) { record.attempted_s = absl::ToUnixSeconds(real_); });
  CreateForeign("v");
  ExpectSkipped(remedy);
  EXPECT_TRUE(Exists("v"));
  EXPECT_EQ(OpenPool()->registry.Get("v")->state, VolumeState::kCreating);
}

TEST_F(ChangedMeanwhileTest, AForeignImageComesBackOrIsPublished) {
  InsertRecord("v", VolumeState::kForeign, real_);
  const Remedy remedy = RemedyFor(OfVolume("v"));
  CreateForeign("v");
  ExpectSkipped(remedy);
  EXPECT_EQ(rbd_remove(OpenPool()->io.get(), "v"), 0);
  Change("v", [](VolumeRecord& record) { EXPECT_TRUE(PublishClaim(record.writer, "n").ok()); });
  ExpectSkipped(remedy);
  EXPECT_TRUE(OpenPool()->registry.Get("v").ok());
}

TEST_F(ChangedMeanwhileTest, AVolumeIsMadeAnewUnderTheName) {
  Create("v");
  Change("v", [](VolumeRecord& record) { record.state = VolumeState::kDeleting; });
  const Remedy remedy = RemedyFor(OfVolume("v"));
  Create("v");
  ExpectSkipped(remedy);
  EXPECT_TRUE(Exists("v"));
}

TEST_F(ChangedMeanwhileTest, TrashIsRestored) {
  const std::string id = Create("v");
  Delete("v");
  EXPECT_EQ(rbd_trash_remove(OpenPool()->io.get(), id.c_str(), true), 0);
  Remedy remedy = RemedyFor(OfTrash("v", id));
  const std::string other = Create("w");
  Delete("w");
  remedy.key = other;
  ExpectSkipped(remedy);  // it is there
  EXPECT_EQ(rbd_trash_restore(OpenPool()->io.get(), other.c_str(), "back"), 0);
  ExpectSkipped(remedy);
  EXPECT_EQ(KindsOf(Examine())[OfTrash("w", other)], "trash-restored");
  EXPECT_TRUE(Exists("back"));
}

TEST_F(ChangedMeanwhileTest, TrashWhoseTimeIsNotOver) {
  const std::string id = Create("v");
  Change("v", [](VolumeRecord& record) { record.trash_retention_s = 24 * 3600; });
  Delete("v");
  ExpectSkipped({.kind = RemedyKind::kPurgeTrash, .where = Handle(""), .key = id});
  EXPECT_TRUE(IsTrashed(id));
  EXPECT_EQ(KindsOf(Examine()), Kinds());
}

TEST_F(ChangedMeanwhileTest, TheClaimIsAnothers) {
  Create("v");
  Open("v", NodeName("n1"), Address(1));
  Change("v", [](VolumeRecord& record) { EXPECT_TRUE(BeginRevokeClaim(record.writer, "").ok()); });
  const Remedy remedy = RemedyFor(OfVolume("v"));
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), NodeName("n1"), {}).ok());
  Open("v", NodeName("n1"), Address(2));
  ExpectSkipped(remedy);
  // Taken away once more, which this remedy was not proposed for.
  Change("v", [](VolumeRecord& record) { EXPECT_TRUE(BeginRevokeClaim(record.writer, "").ok()); });
  ExpectSkipped(remedy);
  EXPECT_EQ(OpenPool()->registry.Get("v")->writer.state, ClaimState::kRevoking);
}

TEST_F(ChangedMeanwhileTest, OtherNodesThatShareTheVolumeKeepIt) {
  Create("v");
  for (const char* name : {"n1", "n2"}) {
    const std::string node = NodeName(name);
    Register(node, "boot", absl::ZeroDuration());
    ASSERT_TRUE(publishing_.Publish(Handle("v"), node, AccessMode::kReadOnlyMany, {}).ok());
  }
  EXPECT_TRUE(
      nodes_.Fence(kCluster, {.node_id = NodeName("n1"), .reason = "test", .since_s = 1}).ok());
  const Remedy remedy = RemedyFor(OfVolume("v"));
  EXPECT_TRUE(doctor_.Apply(remedy).ok());
  ExpectSkipped(remedy);
  const VolumeRecord record = *OpenPool()->registry.Get("v");
  EXPECT_FALSE(Holds(record, NodeName("n1")));
  EXPECT_TRUE(Holds(record, NodeName("n2")));
}

TEST_F(ChangedMeanwhileTest, TheNodeIsUnfenced) {
  const std::string node = NodeName("n1");
  Register(node, "boot", absl::ZeroDuration());
  Create("v");
  Open("v", node, Address(1));
  EXPECT_TRUE(nodes_.Fence(kCluster, {.node_id = node, .reason = "test", .since_s = 1}).ok());
  const Remedy remedy = RemedyFor(OfVolume("v"));
  EXPECT_TRUE(nodes_.Lift(kCluster, node).ok());
  ExpectSkipped(remedy);
  EXPECT_EQ(OpenPool()->registry.Get("v")->writer.node, node);
}

TEST_F(ChangedMeanwhileTest, TheNodeIsBack) {
  const std::string node = NodeName("n1");
  Register(node, "boot", absl::Hours(25));
  const Remedy remedy = RemedyFor(OfNode(node));
  Create("v");
  Open("v", node, Address(1));
  ExpectSkipped(remedy);
  ASSERT_TRUE(publishing_.Unpublish(Handle("v"), node, {}).ok());
  ExpectSkipped(remedy);  // a fence waits for it to say that the client is gone
  ASSERT_TRUE(OpenPool()->fences.Remove(Address(1)).ok());
  Register(node, "boot-2", absl::ZeroDuration());
  ExpectSkipped(remedy);
  EXPECT_TRUE(nodes_.Find(Handle("v"), node, {}).ok());
  Register(node, "boot-2", absl::Hours(25));
  EXPECT_TRUE(doctor_.Apply(remedy).ok());
  EXPECT_FALSE(nodes_.Find(Handle("v"), node, {}).ok());
}

}  // namespace
}  // namespace berth
