#include "companion/rollout/yaml.h"

#include <yaml-cpp/yaml.h>

#include <regex>

namespace berth::rollout {
namespace {

using nlohmann::json;

// A text that a YAML reader would take for something else than text. The emitter itself quotes
// only what would not be one scalar.
bool LooksLikeAnotherType(const std::string& text) {
  static const std::regex other(R"(|~|null|true|false|yes|no|on|off|y|n|[-+.0-9].*)",
                                std::regex::icase);
  return std::regex_match(text, other);
}

void Emit(YAML::Emitter& out, const json& value) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      Emit(out, member);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const json& entry : value) Emit(out, entry);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (LooksLikeAnotherType(text)) out << YAML::DoubleQuoted;
    out << text;
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

std::string ToYaml(const json& value) {
  YAML::Emitter out;
  Emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace berth::rollout
