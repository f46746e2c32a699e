// Reading fields of JSON that a server or a user wrote: what is absent, and what has another type,
// read alike, and nothing throws.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace berth::kube {

// The member, or null.
const nlohmann::json& Member(const nlohmann::json& object, const std::string& name);

std::optional<int64_t> NumberIn(const nlohmann::json& object, const std::string& name);
// Empty or false when there is none.
std::string TextIn(const nlohmann::json& object, const std::string& name);
bool FlagIn(const nlohmann::json& object, const std::string& name);
// The members of the object `name` that are text.
std::map<std::string, std::string> TextsIn(const nlohmann::json& object, const std::string& name);

}  // namespace berth::kube
