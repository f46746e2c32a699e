#include "companion/rollout/history.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "companion/statefulset/revision.h"
#include "kube/apps_v1.h"
#include "kube/json_patch.h"
#include "kube/time.h"

namespace berth::rollout {
namespace {

using nlohmann::json;
using statefulset::StatefulSet;

constexpr char kChangeCause[] = "kubernetes.io/change-cause";

std::string Numbers(const std::vector<Entry>& history) {
  if (history.empty()) return "none";
  return absl::StrJoin(history, ", ", [](std::string* out, const Entry& entry) {
    *out += std::to_string(entry.revision.number);
  });
}

}  // namespace

StatusOr<std::vector<Entry>> ReadHistory(kube::ApiClient& api, const StatefulSet& set) {
  std::vector<Entry> history;
  const auto add = [&](const kube::apps::ControllerRevision& revision) -> Status {
    statefulset::ObservedRevision observed = statefulset::Observe(revision);
    const statefulset::Owner* controller = statefulset::ControllerOf(observed.owners);
    if (controller != nullptr && controller->uid == set.uid) {
      history.push_back({std::move(observed), kube::Annotation(revision.metadata(), kChangeCause)});
    }
    return absl::OkStatus();
  };
  // A revision has the labels that its template had, which the set's selector matched.
  const kube::Selector selector{
      .ns = set.key.ns,
      .label_selector = absl::StrJoin(set.selector.match_labels(), ",", absl::PairFormatter("="))};
  BERTH_RETURN_IF_ERROR(api.ForEach<kube::apps::ControllerRevision>(selector, add).status());
  std::stable_sort(history.begin(), history.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.revision.number, a.revision.created) <
           std::tie(b.revision.number, b.revision.created);
  });
  return history;
}

StatusOr<Entry> EntryOf(const std::vector<Entry>& history, int64_t number) {
  if (number == 0) {
    if (history.size() > 1) return history[history.size() - 2];
    return absl::NotFoundError("there is no revision before the newest one to go back to");
  }
  for (const Entry& entry : history) {
    if (entry.revision.number == number) return entry;
  }
  return absl::NotFoundError(
      fmt::format("there is no revision {}; there are: {}", number, Numbers(history)));
}

std::string HistoryTable(const std::vector<Entry>& history) {
  std::string table = "REVISION  CHANGE-CAUSE\n";
  for (const Entry& entry : history) {
    table += fmt::format("{:<8}  {}\n", entry.revision.number,
                         entry.change_cause.empty() ? "<none>" : entry.change_cause);
  }
  return table;
}

json HistoryJson(const std::vector<Entry>& history) {
  json list = json::array();
  for (const Entry& entry : history) {
    list.push_back({{"revision", entry.revision.number},
                    {"name", entry.revision.name},
                    {"created", kube::ToJsonTime(entry.revision.created)},
                    {"changeCause", entry.change_cause}});
  }
  return list;
}

StatusOr<Undone> Undo(kube::ApiClient& api, const StatefulSet& set, int64_t number) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<Entry> history, ReadHistory(api, set));
  BERTH_ASSIGN_OR_RETURN(const Entry entry, EntryOf(history, number));
  BERTH_ASSIGN_OR_RETURN(const json pod_template, statefulset::TemplateOf(entry.revision));
  if (statefulset::MeansTheSame(statefulset::RevisionData(set.pod_template), entry.revision.data)) {
    return Undone{entry.revision.number, false};
  }
  // A JSON patch: custom resources know no strategic merge, which revisions of apps/v1 are made
  // for.
  const json patch = {{{"op", "test"}, {"path", "/metadata/uid"}, {"value", set.uid}},
                      {{"op", "test"}, {"path", "/spec/template"}, {"value", set.pod_template}},
                      {{"op", "replace"}, {"path", "/spec/template"}, {"value", pod_template}}};
  BERTH_RETURN_IF_ERROR(
      api.PatchJson(set.resource, set.key, kube::PatchType::kJson, patch).status());
  return Undone{entry.revision.number, true};
}

}  // namespace berth::rollout
