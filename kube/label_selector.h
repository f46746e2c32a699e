#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"

namespace berth::kube {

using Labels = std::map<std::string, std::string>;

// A meta.v1.LabelSelector: all its requirements hold. An empty one matches everything.
class LabelSelector {
 public:
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;
  };

  // From the API's JSON. INVALID_ARGUMENT for an unknown operator, or values that do not fit it.
  static StatusOr<LabelSelector> Parse(const nlohmann::json& json);

  bool Matches(const Labels& labels) const;
  // As a selector in one line: "a=b,c in (d,e),!f".
  std::string Text() const;
  // matchLabels alone.
  const Labels& match_labels() const { return match_labels_; }

 private:
  Labels match_labels_;
  std::vector<Requirement> requirements_;
};

}  // namespace berth::kube
