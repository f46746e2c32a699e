#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace berth::rollout {

// JSON as a person reads it: block YAML with two spaces of indentation, which reads back as the
// same value.
std::string ToYaml(const nlohmann::json& value);

}  // namespace berth::rollout
