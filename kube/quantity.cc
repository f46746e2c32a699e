#include "kube/quantity.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace berth::kube {
namespace {

constexpr std::array<std::string_view, 6> kBinary = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
constexpr std::string_view kDecimal = "kMGTPE";

// What a suffix multiplies by. Long double is exact for every value in range: its mantissa has 64
// bits.
std::optional<long double> Multiplier(std::string_view suffix) {
  if (suffix.empty()) return 1.0L;
  for (size_t i = 0; i < kBinary.size(); ++i) {
    if (suffix == kBinary[i]) return std::pow(1024.0L, static_cast<int>(i) + 1);
  }
  if (suffix.size() == 1) {
    if (suffix == "n") return 1e-9L;
    if (suffix == "u") return 1e-6L;
    if (suffix == "m") return 1e-3L;
    if (const size_t i = kDecimal.find(suffix[0]); i != std::string_view::npos) {
      return std::pow(1000.0L, static_cast<int>(i) + 1);
    }
  }
  if (suffix[0] == 'e' || suffix[0] == 'E') {
    std::string_view digits = suffix.substr(1);
    if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
    int exponent = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), exponent);
    if (error == std::errc() && end == digits.end()) return std::pow(10.0L, exponent);
  }
  return std::nullopt;
}

}  // namespace

StatusOr<int64_t> ParseQuantity(std::string_view text) {
  const Status invalid =
      absl::InvalidArgumentError(fmt::format("\"{}\" is not a quantity of bytes", text));
  const size_t number_end = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, number_end);
  const std::string_view suffix =
      number_end == std::string_view::npos ? std::string_view() : text.substr(number_end);
  long double value = 0;
  const auto [end, error] =
      std::from_chars(number.begin(), number.end(), value, std::chars_format::fixed);
  const std::optional<long double> multiplier = Multiplier(suffix);
  if (error != std::errc() || end != number.end() || !multiplier) return invalid;
  const long double bytes = std::ceil(value * *multiplier);
  if (bytes > static_cast<long double>(std::numeric_limits<int64_t>::max())) return invalid;
  return static_cast<int64_t>(bytes);
}

std::string FormatQuantity(int64_t bytes) {
  std::string_view suffix;
  for (const std::string_view larger : kBinary) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    suffix = larger;
  }
  return fmt::format("{}{}", bytes, suffix);
}

}  // namespace berth::kube
