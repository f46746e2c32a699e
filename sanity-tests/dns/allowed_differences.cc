#include "sanity-tests/dns/allowed_differences.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace berth::dns {

StatusOr<AllowedDifferences> AllowedDifferences::Read(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("cannot read " + path);
  AllowedDifferences allowed;
  for (std::string text; std::getline(file, text);) {
    if (text.empty() || text[0] == '#') continue;
    BERTH_ASSIGN_OR_RETURN(allowed.lines_.emplace_back(), ParseLine(text));
  }
  return allowed;
}

StatusOr<AllowedDifferences::Line> AllowedDifferences::ParseLine(const std::string& text) {
  std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(" | ", 4));
  for (std::string& part : parts) part = std::string(absl::StripAsciiWhitespace(part));
  if (parts.size() != 5 || std::any_of(parts.begin(), parts.end(),
                                       [](const std::string& part) { return part.empty(); })) {
    return absl::InvalidArgumentError(
        absl::StrCat("no line of types | name | CoreDNS | Berth | reason: ", text));
  }
  const std::vector<std::string> types = absl::StrSplit(parts[0], ' ');
  return Line{text, types, std::regex(parts[1]), parts[2], parts[3]};
}

bool AllowedDifferences::Allows(const Difference& difference) {
  const auto fits = [](const std::string& allowed, const std::string& shape) {
    return allowed == "*" || allowed == shape;
  };
  for (Line& line : lines_) {
    const bool of_type = std::any_of(line.types.begin(), line.types.end(),
                                     [&](const auto& type) { return fits(type, difference.type); });
    if (of_type && fits(line.core_dns, difference.core_dns) && fits(line.berth, difference.berth) &&
        std::regex_match(difference.name, line.name)) {
      ++line.used;
      return true;
    }
  }
  return false;
}

std::vector<AllowedDifferences::Use> AllowedDifferences::uses() const {
  std::vector<Use> uses;
  for (const Line& line : lines_) uses.push_back({line.text, line.used});
  return uses;
}

}  // namespace berth::dns
