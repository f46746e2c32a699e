#include "companion/rollout/wait.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/synchronized.h"
#include "companion/rollout/progress.h"
#include "kube/core_v1.h"
#include "kube/informer.h"

namespace berth::rollout {
namespace {

using kube::core::Pod;
using statefulset::StatefulSet;

// The set and its pods as they are now, and a count that grows with each change of either.
class Follower {
 public:
  Follower(kube::ApiClient& api, const StatefulSet& set)
      : set_(set),
        sets_(api, set.resource,
              {.selector = {.ns = set.key.ns, .field_selector = "metadata.name=" + set.key.name}}),
        pods_(api, {.selector = {.ns = set.key.ns,
                                 .label_selector = absl::StrJoin(set.selector.match_labels(), ",",
                                                                 absl::PairFormatter("="))}}) {
    sets_.AddHandler([this](const auto&) { Changed(); });
    pods_.AddHandler([this](const auto&) { Changed(); });
    sets_.Start();
    pods_.Start();
  }

  Status WaitForSync(absl::Time deadline) {
    BERTH_RETURN_IF_ERROR(sets_.WaitForSync(deadline));
    return pods_.WaitForSync(deadline);
  }
  // What a look from now on does not show yet has a greater count.
  int64_t changes() { return *changes_.Lock(); }
  bool WaitForChangeAfter(int64_t seen, absl::Time deadline) {
    auto changes = changes_.Lock();
    return changes.WaitUntil(deadline, [&] { return *changes > seen; });
  }

  StatusOr<Progress> Look() {
    const auto object = sets_.Get(set_.key);
    if (object == nullptr || object->metadata().uid() != set_.uid) {
      return absl::NotFoundError("it was deleted meanwhile");
    }
    BERTH_ASSIGN_OR_RETURN(const StatefulSet set,
                           statefulset::ReadStatefulSet(set_.resource, *object));
    BERTH_ASSIGN_OR_RETURN(Progress progress, ProgressOf(set));
    if (progress.complete) return progress;
    std::vector<Pod> pods;
    for (const auto& pod : pods_.List()) pods.push_back(*pod);
    if (const std::string laggards = Laggards(set, pods); !laggards.empty()) {
      progress.message += "; " + laggards;
    }
    return progress;
  }

 private:
  void Changed() {
    auto changes = changes_.Lock();
    ++*changes;
    changes.NotifyAll();
  }

  const StatefulSet& set_;
  Synchronized<int64_t> changes_{0};
  kube::Informer<kube::JsonObject> sets_;
  kube::Informer<Pod> pods_;
};

}  // namespace

Status WaitForRollout(kube::ApiClient& api, const StatefulSet& set, absl::Time deadline,
                      const std::function<void(const std::string&)>& say) {
  Follower follower(api, set);
  // So that even a deadline that has passed gets one look.
  BERTH_RETURN_IF_ERROR(follower.WaitForSync(std::max(deadline, absl::Now() + kube::kCallTimeout)));
  std::string said;
  while (true) {
    const int64_t seen = follower.changes();
    BERTH_ASSIGN_OR_RETURN(const Progress progress, follower.Look());
    if (progress.message != said) say(progress.message);
    said = progress.message;
    if (progress.complete) return absl::OkStatus();
    if (!follower.WaitForChangeAfter(seen, deadline)) {
      return absl::DeadlineExceededError("the rollout is not complete in time: " + said);
    }
  }
}

}  // namespace berth::rollout
