#include "kube/json_fields.h"

namespace berth::kube {

using nlohmann::json;

const json& Member(const json& object, const std::string& name) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

std::optional<int64_t> NumberIn(const json& object, const std::string& name) {
  const json& member = Member(object, name);
  if (!member.is_number_integer()) return std::nullopt;
  return member.get<int64_t>();
}

std::string TextIn(const json& object, const std::string& name) {
  const json& member = Member(object, name);
  return member.is_string() ? member.get<std::string>() : "";
}

bool FlagIn(const json& object, const std::string& name) {
  const json& member = Member(object, name);
  return member.is_boolean() && member.get<bool>();
}

std::map<std::string, std::string> TextsIn(const json& object, const std::string& name) {
  std::map<std::string, std::string> texts;
  const json& member = Member(object, name);
  if (!member.is_object()) return texts;
  for (const auto& [key, value] : member.items()) {
    if (value.is_string()) texts[key] = value.get<std::string>();
  }
  return texts;
}

}  // namespace berth::kube
