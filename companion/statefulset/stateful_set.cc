#include "companion/statefulset/stateful_set.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kube/json_fields.h"
#include "kube/quantity.h"

namespace berth::statefulset {
namespace {

using kube::Member;
using kube::NumberIn;
using kube::TextIn;
using nlohmann::json;

constexpr char kClaimsAhead[] = "berth.storage/claims-ahead";
constexpr char kReplaceStuck[] = "berth.storage/replace-stuck-pods";
constexpr char kWaitForNames[] = "berth.storage/wait-for-names";
constexpr std::string_view kOverride = "berth.storage/override.";
constexpr char kReservedOrdinals[] = "berth.storage/reserved-ordinals";
constexpr std::string_view kClaimSize = "berth.storage/claim-size.";
constexpr size_t kMaxReserved = 1000;

int Int(const json& object, const std::string& name, int fallback) {
  return static_cast<int>(NumberIn(object, name).value_or(fallback));
}

// An absolute number, or a percentage of the replicas rounded down; at least one.
StatusOr<int> ReadMaxUnavailable(const json& value, int replicas) {
  if (value.is_null()) return 1;
  if (value.is_number_integer()) return std::max(1, value.get<int>());
  int64_t percent = 0;
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text.empty() || text.back() != '%' ||
      !absl::SimpleAtoi(text.substr(0, text.size() - 1), &percent)) {
    return absl::InvalidArgumentError(
        fmt::format("maxUnavailable \"{}\" is neither a number nor a percentage", text));
  }
  return std::max(1, static_cast<int>(percent * replicas / 100));
}

StatusOr<std::set<int>> ReadReserved(const std::string& text) {
  std::set<int> reserved;
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    int ordinal = 0;
    if (!absl::SimpleAtoi(part, &ordinal) || ordinal < 0) {
      return absl::InvalidArgumentError(
          fmt::format("annotation {}: \"{}\" is no ordinal", kReservedOrdinals, std::string(part)));
    }
    reserved.insert(ordinal);
  }
  if (reserved.size() > kMaxReserved) {
    return absl::InvalidArgumentError(
        fmt::format("annotation {} names more than {} ordinals", kReservedOrdinals, kMaxReserved));
  }
  return reserved;
}

StatusOr<SetOptions> ReadOptions(const std::map<std::string, std::string>& annotations) {
  SetOptions options;
  for (const auto& [name, value] : annotations) {
    if (name == kClaimsAhead) options.claims_ahead = value == "true";
    if (name == kReplaceStuck) options.replace_stuck = value == "true";
    if (name == kWaitForNames) options.wait_for_names = value == "true";
    if (name.substr(0, kClaimSize.size()) == kClaimSize) {
      const StatusOr<int64_t> bytes = kube::ParseQuantity(value);
      if (!bytes.ok()) return Annotate(bytes.status(), "annotation " + name);
      options.claim_bytes[name.substr(kClaimSize.size())] = *bytes;
    }
  }
  return options;
}

// Annotations, so that the schema stays that of apps/v1; the built-in controller knows neither.
Status ReadOverrides(StatefulSet& set) {
  for (const auto& [name, value] : set.annotations) {
    if (name.substr(0, kOverride.size()) != kOverride) continue;
    int ordinal = 0;
    json patch = json::parse(value, nullptr, /*allow_exceptions=*/false);
    if (!absl::SimpleAtoi(name.substr(kOverride.size()), &ordinal) || ordinal < 0 ||
        !patch.is_object()) {
      return absl::InvalidArgumentError(fmt::format(
          "annotation {}: expected an ordinal in its name and a JSON object as its value", name));
    }
    set.options.overrides[ordinal] = std::move(patch);
  }
  return absl::OkStatus();
}

// Of berth.storage/v1 the templates themselves may grow.
void GrowWithTemplates(StatefulSet& set) {
  for (const json& claim : set.claim_templates) {
    const std::string name = TextIn(Member(claim, "metadata"), "name");
    const json& requests = Member(Member(Member(claim, "spec"), "resources"), "requests");
    const StatusOr<int64_t> bytes = kube::ParseQuantity(TextIn(requests, "storage"));
    if (!bytes.ok()) continue;
    int64_t& wanted = set.options.claim_bytes[name];
    wanted = std::max(wanted, *bytes);
  }
}

SetStatus ReadStatus(const json& status) {
  SetStatus read;
  read.observed_generation = NumberIn(status, "observedGeneration").value_or(0);
  read.replicas = Int(status, "replicas", 0);
  read.ready = Int(status, "readyReplicas", 0);
  read.available = Int(status, "availableReplicas", 0);
  read.current = Int(status, "currentReplicas", 0);
  read.updated = Int(status, "updatedReplicas", 0);
  read.current_revision = TextIn(status, "currentRevision");
  read.update_revision = TextIn(status, "updateRevision");
  read.collision_count = Int(status, "collisionCount", 0);
  return read;
}

Status ReadUpdateStrategy(const json& strategy, StatefulSet& set) {
  if (TextIn(strategy, "type") == "OnDelete") set.update_strategy = UpdateStrategy::kOnDelete;
  const json& rolling = Member(strategy, "rollingUpdate");
  if (rolling.is_object()) set.partition = Int(rolling, "partition", 0);
  // What the API server fills in when the whole strategy is left out.
  if (TextIn(strategy, "type").empty() && !rolling.is_object()) set.partition = 0;
  BERTH_ASSIGN_OR_RETURN(set.max_unavailable, ReadMaxUnavailable(Member(rolling, "maxUnavailable"),
                                                                 set.ordinals.count()));
  return absl::OkStatus();
}

Status ReadOrdinals(const json& spec, StatefulSet& set) {
  const int start = Int(Member(spec, "ordinals"), "start", 0);
  const int replicas = Int(spec, "replicas", 1);
  if (start < 0 || replicas < 0 ||
      replicas > std::numeric_limits<int>::max() - start - static_cast<int>(kMaxReserved) - 1) {
    return absl::InvalidArgumentError("replicas and ordinals.start leave the range of ordinals");
  }
  std::set<int> reserved;
  const auto annotation = set.annotations.find(kReservedOrdinals);
  // The built-in controller does not know reserved ordinals and would fill them.
  if (annotation != set.annotations.end() && set.resource.group == kBerthStatefulSets.group) {
    BERTH_ASSIGN_OR_RETURN(reserved, ReadReserved(annotation->second));
  }
  set.ordinals = Ordinals(start, replicas, std::move(reserved));
  return absl::OkStatus();
}

}  // namespace

Ordinals::Ordinals(int start, int count, std::set<int> reserved)
    : start_(start), count_(count), end_(start + count), reserved_(std::move(reserved)) {
  for (auto it = reserved_.lower_bound(start); it != reserved_.end() && *it < end_; ++it) ++end_;
}

bool Ordinals::contains(int ordinal) const {
  return ordinal >= start_ && ordinal < end_ && !reserved_.contains(ordinal);
}

int Ordinals::Skip(int ordinal) const {
  while (ordinal < end_ && reserved_.contains(ordinal)) ++ordinal;
  return std::min(ordinal, end_);
}

std::string StatefulSet::PodName(int ordinal) const {
  return fmt::format("{}-{}", key.name, ordinal);
}

std::string StatefulSet::ClaimName(const json& claim_template, int ordinal) const {
  return fmt::format("{}-{}-{}", TextIn(Member(claim_template, "metadata"), "name"), key.name,
                     ordinal);
}

std::optional<int> StatefulSet::OrdinalOf(const std::string& pod_name) const {
  const size_t dash = pod_name.rfind('-');
  if (dash == std::string::npos || pod_name.substr(0, dash) != key.name) return std::nullopt;
  const std::string digits = pod_name.substr(dash + 1);
  int ordinal = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &ordinal) || PodName(ordinal) != pod_name) {
    return std::nullopt;
  }
  return ordinal;
}

kube::core::ObjectReference StatefulSet::Reference() const {
  kube::core::ObjectReference reference;
  reference.set_apiversion(ApiVersion());
  reference.set_kind(std::string(resource.kind));
  reference.set_namespace_(key.ns);
  reference.set_name(key.name);
  reference.set_uid(uid);
  reference.set_resourceversion(resource_version);
  return reference;
}

StatusOr<StatefulSet> ReadStatefulSet(const kube::Resource& resource,
                                      const kube::JsonObject& object) {
  const json& spec = Member(object.body(), "spec");
  const kube::meta::ObjectMeta& metadata = object.metadata();
  StatefulSet set;
  set.resource = resource;
  set.key = kube::KeyOf(object);
  set.uid = metadata.uid();
  set.resource_version = metadata.resourceversion();
  set.generation = metadata.generation();
  set.terminating = metadata.has_deletiontimestamp();
  set.annotations = {metadata.annotations().begin(), metadata.annotations().end()};
  set.service_name = TextIn(spec, "serviceName");
  if (TextIn(spec, "podManagementPolicy") == "Parallel") {
    set.pod_management = PodManagement::kParallel;
  }
  BERTH_RETURN_IF_ERROR(ReadOrdinals(spec, set));
  BERTH_RETURN_IF_ERROR(ReadUpdateStrategy(Member(spec, "updateStrategy"), set));
  set.min_ready_seconds = Int(spec, "minReadySeconds", 0);
  set.revision_history_limit = Int(spec, "revisionHistoryLimit", 10);
  const json& retention = Member(spec, "persistentVolumeClaimRetentionPolicy");
  set.retention.delete_when_deleted = TextIn(retention, "whenDeleted") == "Delete";
  set.retention.delete_when_scaled = TextIn(retention, "whenScaled") == "Delete";
  set.pod_template = Member(spec, "template");
  for (const json& claim : Member(spec, "volumeClaimTemplates")) {
    set.claim_templates.push_back(claim);
  }
  set.status = ReadStatus(Member(object.body(), "status"));
  BERTH_ASSIGN_OR_RETURN(set.selector, kube::LabelSelector::Parse(Member(spec, "selector")));
  set.conditions = Member(Member(object.body(), "status"), "conditions");
  BERTH_ASSIGN_OR_RETURN(set.options, ReadOptions(set.annotations));
  if (resource.group == kBerthStatefulSets.group) {
    GrowWithTemplates(set);
    BERTH_RETURN_IF_ERROR(ReadOverrides(set));
  }
  if (!Member(spec, "selector").is_object() ||
      !set.selector.Matches(kube::TextsIn(Member(set.pod_template, "metadata"), "labels"))) {
    return absl::InvalidArgumentError("spec.selector does not match spec.template.metadata.labels");
  }
  return set;
}

}  // namespace berth::statefulset
