#pragma once

#include <cstdint>
#include <regex>
#include <string>
#include <vector>

#include "base/status.h"

namespace berth::dns {

// One question whose answers are not the same. A shape is the kind of answer: its response code,
// NODATA, or the types of its records, as in "A+CNAME".
struct Difference {
  std::string name;
  std::string type;
  std::string core_dns;
  std::string berth;
};

// allowed-differences.txt: how our answers may be other than CoreDNS's, each with its reason. A
// line has the types of the question ("A AAAA", "*": all), a regular expression that the name must
// match as a whole, CoreDNS's shape, ours ("*": any), and the reason, between bars.
class AllowedDifferences {
 public:
  // INVALID_ARGUMENT names the line that cannot be read.
  static StatusOr<AllowedDifferences> Read(const std::string& path);

  // True when a line allows it, which is then counted as used.
  bool Allows(const Difference& difference);

  struct Use {
    std::string line;
    size_t count;
  };
  std::vector<Use> uses() const;

 private:
  struct Line {
    std::string text;
    std::vector<std::string> types;
    std::regex name;
    std::string core_dns;
    std::string berth;
    size_t used = 0;
  };
  static StatusOr<Line> ParseLine(const std::string& text);

  std::vector<Line> lines_;
};

}  // namespace berth::dns
