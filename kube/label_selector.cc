#include "kube/label_selector.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "kube/json_fields.h"

namespace berth::kube {
namespace {

using nlohmann::json;

StatusOr<LabelSelector::Requirement> ParseRequirement(const json& entry) {
  LabelSelector::Requirement requirement;
  requirement.key = TextIn(entry, "key");
  for (const auto& value : Member(entry, "values")) {
    requirement.values.push_back(value.is_string() ? value.get<std::string>() : "");
  }
  const std::string op = TextIn(entry, "operator");
  if (op == "In") {
    requirement.op = LabelSelector::Operator::kIn;
  } else if (op == "NotIn") {
    requirement.op = LabelSelector::Operator::kNotIn;
  } else if (op == "Exists") {
    requirement.op = LabelSelector::Operator::kExists;
  } else if (op == "DoesNotExist") {
    requirement.op = LabelSelector::Operator::kDoesNotExist;
  } else {
    return absl::InvalidArgumentError(fmt::format("selector: \"{}\" is no operator", op));
  }
  if ((op == "In" || op == "NotIn") == requirement.values.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("selector: operator {} of \"{}\" has the wrong values", op, requirement.key));
  }
  return requirement;
}

bool Holds(const LabelSelector::Requirement& requirement, const Labels& labels) {
  const auto label = labels.find(requirement.key);
  const bool listed =
      label != labels.end() && std::find(requirement.values.begin(), requirement.values.end(),
                                         label->second) != requirement.values.end();
  switch (requirement.op) {
    case LabelSelector::Operator::kIn:
      return listed;
    case LabelSelector::Operator::kNotIn:
      return !listed;
    case LabelSelector::Operator::kExists:
      return label != labels.end();
    case LabelSelector::Operator::kDoesNotExist:
      return label == labels.end();
  }
  return false;
}

std::string TextOf(const LabelSelector::Requirement& requirement) {
  const std::string values = absl::StrJoin(requirement.values, ",");
  switch (requirement.op) {
    case LabelSelector::Operator::kIn:
      return fmt::format("{} in ({})", requirement.key, values);
    case LabelSelector::Operator::kNotIn:
      return fmt::format("{} notin ({})", requirement.key, values);
    case LabelSelector::Operator::kExists:
      return requirement.key;
    case LabelSelector::Operator::kDoesNotExist:
      return "!" + requirement.key;
  }
  return "";
}

}  // namespace

StatusOr<LabelSelector> LabelSelector::Parse(const json& selector_json) {
  LabelSelector selector;
  selector.match_labels_ = TextsIn(selector_json, "matchLabels");
  for (const auto& entry : Member(selector_json, "matchExpressions")) {
    BERTH_ASSIGN_OR_RETURN(Requirement requirement, ParseRequirement(entry));
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

std::string LabelSelector::Text() const {
  std::vector<std::string> parts;
  for (const auto& [key, value] : match_labels_) parts.push_back(fmt::format("{}={}", key, value));
  for (const Requirement& requirement : requirements_) parts.push_back(TextOf(requirement));
  return absl::StrJoin(parts, ",");
}

bool LabelSelector::Matches(const Labels& labels) const {
  for (const auto& [key, value] : match_labels_) {
    const auto label = labels.find(key);
    if (label == labels.end() || label->second != value) return false;
  }
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& requirement) { return Holds(requirement, labels); });
}

}  // namespace berth::kube
