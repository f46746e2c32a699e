#include "rbd/doctor/doctor.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/synchronized.h"
#include "rbd/doctor/diagnosis.h"
#include "rbd/doctor/observe.h"

namespace berth {
namespace {

constexpr size_t kMaxClustersAtOnce = 16;
constexpr size_t kMaxClustersWaiting = 256;

// Before the deadline: a cluster is not begun with any more, and the answer is given.
constexpr absl::Duration kStopBefore = absl::Seconds(5);
constexpr absl::Duration kAnswerBefore = absl::Seconds(2);

// Written by the clusters' threads, which may outlast the examination.
struct Progress {
  std::map<std::string, ObservedCluster> done;  // by alias
};

ClusterSummary Summarize(const ObservedCluster& seen) {
  ClusterSummary summary = {.cluster = seen.alias,
                            .connected = seen.connected.ok(),
                            .ceph = seen.ceph,
                            .nodes = seen.nodes.size()};
  for (const ObservedNamespace& in : seen.namespaces) summary.volumes += in.records.size();
  return summary;
}

ObservedCluster NotDone(const std::string& alias) {
  ObservedCluster seen;
  seen.alias = alias;
  seen.connected = absl::DeadlineExceededError(
      "cluster \"" + alias + "\" was not examined in time; it is down, slow, or very large");
  return seen;
}

Finding NoClusters(const Status& why) {
  return {.severity = Severity::kError,
          .kind = "clusters-unreadable",
          .object = "--clusters",
          .problem = std::string(why.message()),
          .impact = "no volume can be made, published or deleted",
          .advice = "correct what the message names; nothing has to be restarted"};
}

}  // namespace

Doctor::Doctor(const RemedyContext& context, std::string version)
    : context_(context),
      version_(std::move(version)),
      workers_(kMaxClustersAtOnce, kMaxClustersWaiting) {}

Examination Doctor::Examine(absl::Time deadline) {
  Examination examination;
  const StatusOr<std::vector<std::string>> aliases = context_.connections.clusters().Aliases();
  if (!aliases.ok()) {
    examination.findings.push_back(NoClusters(aliases.status()));
    return examination;
  }
  const auto progress = std::make_shared<Synchronized<Progress>>();
  for (const std::string& alias : *aliases) {
    // One that finds no place stays undone, which is said below.
    workers_
        .Submit([this, alias, progress, stop_at = deadline - kStopBefore] {
          ObservedCluster seen = ObserveCluster(
              {context_.connections, context_.nodes, context_.clock, version_, stop_at}, alias);
          auto locked = progress->Lock();
          locked->done.emplace(alias, std::move(seen));
          locked.NotifyAll();
        })
        .IgnoreError();
  }
  auto locked = progress->Lock();
  locked.WaitUntil(deadline - kAnswerBefore,
                   [&] { return locked->done.size() == aliases->size(); });
  for (const std::string& alias : *aliases) {
    const auto done = locked->done.find(alias);
    const ObservedCluster seen = done == locked->done.end() ? NotDone(alias) : done->second;
    examination.clusters.push_back(Summarize(seen));
    std::vector<Finding> findings = Diagnose(seen);
    std::move(findings.begin(), findings.end(), std::back_inserter(examination.findings));
  }
  std::stable_sort(examination.findings.begin(), examination.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return examination;
}

}  // namespace berth
