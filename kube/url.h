#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::kube {

// RFC 3986: every byte but the unreserved ones as %XX.
std::string PercentEncode(std::string_view text);

// The parameters after a URL's '?', in the order they were set.
class Query {
 public:
  // Leaves parameters with an empty value out.
  Query& Set(std::string_view name, std::string_view value);
  // "" or "?a=b&c=d", encoded.
  std::string String() const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace berth::kube
