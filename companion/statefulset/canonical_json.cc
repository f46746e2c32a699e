#include "companion/statefulset/canonical_json.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace berth::statefulset {
namespace {

using nlohmann::json;

constexpr double kFirstExponent = 1e21;  // from here, and below 1e-6, Go writes an exponent
constexpr double kLastExponent = 1e-6;
// The integers that a double holds without loss.
constexpr int64_t kExact = int64_t{1} << 53;

// The fewest digits that read back as the same number, as "d.ddde±xx" with no zeros to spare.
std::string Scientific(double number) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::scientific);
  return {buffer.data(), end.ptr};
}

std::string FloatText(double number) {
  const std::string scientific = Scientific(number);
  const size_t e = scientific.find('e');
  const double magnitude = std::abs(number);
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (magnitude != 0 && (magnitude < kLastExponent || magnitude >= kFirstExponent)) {
    return fmt::format("{}e{}{}", scientific.substr(0, e), exponent < 0 ? "-" : "+",
                       std::abs(exponent));
  }
  std::string digits;
  for (const char c : scientific.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string sign = std::signbit(number) ? "-" : "";
  if (exponent < 0) return sign + "0." + std::string(-exponent - 1, '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0');
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

void WriteNumber(const json& value, std::string& out) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    out += number <= uint64_t{kExact} ? std::to_string(number)
                                      : FloatText(static_cast<double>(number));
    return;
  }
  if (value.is_number_integer()) {
    const auto number = value.get<int64_t>();
    out += number >= -kExact ? std::to_string(number) : FloatText(static_cast<double>(number));
    return;
  }
  out += FloatText(value.get<double>());
}

void WriteText(std::string_view text, std::string& out) {
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    switch (c) {
      case '"':
      case '\\':
        out += '\\';
        out += text[i];
        continue;
      case '\b':
        out += "\\b";
        continue;
      case '\f':
        out += "\\f";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      default:
        break;
    }
    const std::string_view rest = text.substr(i, 3);
    if (c < 0x20 || c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", c);
    } else if (rest == "\xe2\x80\xa8" || rest == "\xe2\x80\xa9") {
      out += rest.back() == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += text[i];
    }
  }
  out += '"';
}

void Write(const json& value, std::string& out) {
  if (value.is_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.items()) {  // in the order of their bytes
      if (!first) out += ',';
      first = false;
      WriteText(key, out);
      out += ':';
      Write(member, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ',';
      Write(value[i], out);
    }
    out += ']';
  } else if (value.is_string()) {
    WriteText(value.get_ref<const std::string&>(), out);
  } else if (value.is_number()) {
    WriteNumber(value, out);
  } else {
    out += value.dump();  // true, false, null
  }
}

}  // namespace

std::string CanonicalJson(const json& value) {
  std::string out;
  Write(value, out);
  return out;
}

}  // namespace berth::statefulset
