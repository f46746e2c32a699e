#include "kube/url.h"

#include <spdlog/fmt/fmt.h>

#include "absl/strings/ascii.h"

namespace berth::kube {

std::string PercentEncode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", byte);
    }
  }
  return encoded;
}

Query& Query::Set(std::string_view name, std::string_view value) {
  if (!value.empty()) parameters_.emplace_back(name, value);
  return *this;
}

std::string Query::String() const {
  std::string text;
  for (const auto& [name, value] : parameters_) {
    text += fmt::format("{}{}={}", text.empty() ? "?" : "&", name, PercentEncode(value));
  }
  return text;
}

}  // namespace berth::kube
