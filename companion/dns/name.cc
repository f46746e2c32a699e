#include "companion/dns/name.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "companion/dns/ldns.h"

namespace berth::dns {
namespace {

constexpr std::string_view kInAddrArpa("\7in-addr\4arpa\0", 14);
constexpr std::string_view kIp6Arpa("\3ip6\4arpa\0", 10);

std::optional<unsigned> Digits(std::string_view label, int base, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value, base);
  if (error != std::errc() || end != label.data() + label.size() || value > max) {
    return std::nullopt;
  }
  // "01" is another name than "1", and not the one that records are under.
  if (label.size() > 1 && label[0] == '0') return std::nullopt;
  return value;
}

// The labels before `suffix`, the last one first.
std::vector<std::string_view> LabelsBefore(std::string_view name, std::string_view suffix) {
  std::vector<std::string_view> labels;
  while (name.size() > suffix.size()) {
    labels.push_back(name.substr(1, static_cast<unsigned char>(name[0])));
    name = Parent(name);
  }
  std::reverse(labels.begin(), labels.end());
  return labels;
}

}  // namespace

StatusOr<Name> NameFromText(std::string_view text) {
  const std::string terminated(text);
  ldns_rdf* parsed = nullptr;
  if (text.empty() || ldns_str2rdf_dname(&parsed, terminated.c_str()) != LDNS_STATUS_OK) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is no domain name", text));
  }
  Name name(reinterpret_cast<const char*>(ldns_rdf_data(parsed)), ldns_rdf_size(parsed));
  ldns_rdf_deep_free(parsed);
  // A length byte is below 64, so no letter.
  absl::AsciiStrToLower(&name);
  return name;
}

std::string NameToText(std::string_view name) {
  if (name.size() <= 1) return ".";
  std::string text;
  for (; name.size() > 1; name = Parent(name)) {
    if (!text.empty()) text += '.';
    for (const char c : name.substr(1, static_cast<unsigned char>(name[0]))) {
      if (absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '.' && c != '\\') {
        text += c;
      } else {
        text += fmt::format("\\{:03}", static_cast<unsigned char>(c));
      }
    }
  }
  return text;
}

std::optional<Name> Child(std::string_view label, std::string_view parent) {
  if (label.empty() || label.size() > kMaxLabelBytes) return std::nullopt;
  if (label.size() + 1 + parent.size() > kMaxNameBytes) return std::nullopt;
  Name name;
  name.reserve(label.size() + 1 + parent.size());
  name.push_back(static_cast<char>(label.size()));
  for (const char c : label) name.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  name.append(parent);
  return name;
}

bool IsWithin(std::string_view name, std::string_view zone) {
  if (!name.ends_with(zone)) return false;
  while (name.size() > zone.size()) name = Parent(name);
  return name.size() == zone.size();
}

Name ReverseName(const IpAddress& address) {
  Name name;
  const std::string_view bytes = address.bytes();
  const auto append = [&name](const std::string& label) {
    name.push_back(static_cast<char>(label.size()));
    name += label;
  };
  for (size_t i = bytes.size(); i-- > 0;) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (address.v6()) {
      append(fmt::format("{:x}", byte & 0xf));
      append(fmt::format("{:x}", byte >> 4));
    } else {
      append(fmt::format("{}", byte));
    }
  }
  name += address.v6() ? kIp6Arpa : kInAddrArpa;
  return name;
}

bool IsReverse(std::string_view name) {
  return IsWithin(name, kInAddrArpa) || IsWithin(name, kIp6Arpa);
}

std::optional<ReversePrefix> ParseReverseName(std::string_view name) {
  const bool v6 = IsWithin(name, kIp6Arpa);
  if (!v6 && !IsWithin(name, kInAddrArpa)) return std::nullopt;
  const std::vector<std::string_view> labels = LabelsBefore(name, v6 ? kIp6Arpa : kInAddrArpa);
  if (labels.size() > (v6 ? 32 : 4)) return std::nullopt;
  std::string bytes(v6 ? 16 : 4, '\0');
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::optional<unsigned> digit = Digits(labels[i], v6 ? 16 : 10, v6 ? 15 : 255);
    if (!digit) return std::nullopt;
    if (v6) {
      bytes[i / 2] = static_cast<char>(bytes[i / 2] | *digit << (i % 2 == 0 ? 4 : 0));
    } else {
      bytes[i] = static_cast<char>(*digit);
    }
  }
  return ReversePrefix{IpAddress::FromBytes(bytes), labels.size(), labels.size() * (v6 ? 4 : 8)};
}

}  // namespace berth::dns
