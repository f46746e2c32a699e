#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "rbd/doctor/doctor.h"
#include "rbd/publishing.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volumes.h"

namespace berth {

// A doctor over the lab's cluster, whose clock runs hours ahead: what was done just now is old.
class DoctorTest : public CephTest {
 protected:
  ~DoctorTest() override;

  // What is found in this test's namespace and of its nodes, by object. Each object has one finding
  // at most here.
  std::map<std::string, Finding> Examine();
  // The object of a finding about volume `image`, about what it left in the trash, about a client
  // of it, about a node.
  std::string OfVolume(const std::string& image) const { return Handle(image).ToString(); }
  std::string OfTrash(const std::string& image, const std::string& id) const;
  std::string OfClient(const std::string& instance, const std::string& image) const;
  static std::string OfNode(const std::string& node);

  // A volume as Berth makes it; returns its image's id.
  std::string Create(const std::string& name);
  void Delete(const std::string& name);
  // An image as somebody else makes it, and what somebody does behind Berth's back.
  std::string CreateForeign(const std::string& name);
  void TrashByHand(const std::string& name);
  void Snapshot(const std::string& name);
  bool Exists(const std::string& name);
  bool IsTrashed(const std::string& id);
  // Publishes `name` to `node`, whose `instance` has it open then; returns the epoch.
  uint64_t Open(const std::string& name, const std::string& node, const std::string& instance);
  void Change(const std::string& name, const std::function<void(VolumeRecord&)>& change);
  void InsertRecord(const std::string& name, VolumeState state, absl::Time attempted);
  // A fence record alone, without an entry in Ceph's blocklist.
  void RecordFence(const std::string& instance, const std::string& image, const std::string& node,
                   const std::string& boot_id);
  void Register(const std::string& node, const std::string& boot_id, absl::Duration ago);

  // An address of this test's own, which nobody has (RFC 5737): entries outlive the test.
  std::string Address(int number) const;
  std::string NodeName(const std::string& name) const { return name + "-of-" + rados_namespace(); }

  const absl::Time real_ = absl::Now();
  const FakeClock clock_{real_};
  const FakeClock later_{real_ + absl::Hours(3)};
  Volumes volumes_{connections(), clock_};
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  Volumes later_volumes_{connections(), later_};
  Doctor doctor_{{connections(), later_volumes_, nodes_, later_, std::chrono::hours(1)}, "0.1.0"};

 private:
  std::vector<std::string> registered_;
  std::vector<std::string> snapped_;  // image ids
};

}  // namespace berth
