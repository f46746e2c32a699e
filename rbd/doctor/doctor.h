#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/worker_pool.h"
#include "rbd/doctor/finding.h"
#include "rbd/doctor/observation.h"
#include "rbd/doctor/remedies.h"

namespace berth {

// How one cluster stands, for people.
struct ClusterSummary {
  std::string cluster;
  bool connected = false;
  CephState ceph = {};  // empty when it is not
  size_t volumes = 0;
  size_t nodes = 0;
};

struct Examination {
  std::vector<ClusterSummary> clusters;  // in the order of their aliases
  std::vector<Finding> findings;         // the gravest first
};

// Finds out what is wrong with everything that Berth has in Ceph, and repairs what is safe to
// repair. It knows Ceph alone: whether a Kubernetes object still wants a volume it cannot say.
// Thread-safe.
class Doctor {
 public:
  // `version`: of this program. What `context` refers to must outlive the doctor.
  Doctor(const RemedyContext& context, std::string version);

  // Looks at every cluster of --clusters, at all of them at the same time, and changes nothing. One
  // that does not answer by a little before `deadline` is a finding and does not delay the others.
  Examination Examine(absl::Time deadline);

  // ApplyRemedy.
  Status Apply(const Remedy& remedy) { return ApplyRemedy(context_, remedy); }

 private:
  const RemedyContext context_;
  const std::string version_;
  WorkerPool workers_;  // last: its destructor waits for those that use the others
};

}  // namespace berth
