#include "kube/resource.h"

#include <spdlog/fmt/fmt.h>

#include "kube/url.h"

namespace berth::kube {

std::string Resource::ApiVersion() const {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

std::string Resource::Path(std::string_view ns, std::string_view name,
                           std::string_view subresource) const {
  std::string path = fmt::format("/{}/{}", group.empty() ? "api" : "apis", ApiVersion());
  if (namespaced && !ns.empty()) path += fmt::format("/namespaces/{}", PercentEncode(ns));
  path += fmt::format("/{}", plural);
  if (!name.empty()) path += fmt::format("/{}", PercentEncode(name));
  if (!subresource.empty()) path += fmt::format("/{}", subresource);
  return path;
}

ObjectKey ObjectKey::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return ObjectKey{"", std::string(text)};
  return ObjectKey{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

bool IsOlder(std::string_view resource_version, std::string_view than) {
  if (resource_version.size() != than.size()) return resource_version.size() < than.size();
  return resource_version < than;
}

}  // namespace berth::kube
