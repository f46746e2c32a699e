#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace berth::statefulset {

// JSON byte for byte as Go's encoding/json writes a value that it read into interface{}: keys
// sorted, no blanks, numbers as float64, "<", ">", "&", U+2028 and U+2029 escaped. Names and
// comparisons of ControllerRevisions stand on these bytes.
std::string CanonicalJson(const nlohmann::json& value);

}  // namespace berth::statefulset
