#include "companion/rollout/target.h"

#include <spdlog/fmt/fmt.h>

#include <vector>

namespace berth::rollout {
namespace {

using statefulset::kAppsStatefulSets;
using statefulset::kBerthStatefulSets;
using statefulset::StatefulSet;

struct ResourceName {
  std::string_view text;
  std::optional<kube::Resource> resource;
};

// With each group, kubectl takes the plural and the singular.
const std::vector<ResourceName>& ResourceNames() {
  static const std::vector<ResourceName> names = {
      {"statefulset", std::nullopt},
      {"statefulsets", std::nullopt},
      {"sts", std::nullopt},
      {"statefulset.apps", kAppsStatefulSets},
      {"statefulsets.apps", kAppsStatefulSets},
      {"bsts", kBerthStatefulSets},
      {"statefulset.berth.storage", kBerthStatefulSets},
      {"statefulsets.berth.storage", kBerthStatefulSets},
  };
  return names;
}

}  // namespace

StatusOr<Target> ParseTarget(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view name = slash == std::string_view::npos ? "" : text.substr(slash + 1);
  for (const ResourceName& known : ResourceNames()) {
    if (text.substr(0, slash) == known.text && !name.empty() &&
        name.find('/') == std::string_view::npos) {
      return Target{std::string(name), known.resource};
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is no StatefulSet: write statefulset/NAME", text));
}

StatusOr<StatefulSet> FindSet(kube::ApiClient& api, const Target& target, const std::string& ns) {
  const std::vector<kube::Resource> resources =
      target.resource ? std::vector<kube::Resource>{*target.resource}
                      : std::vector<kube::Resource>{kBerthStatefulSets, kAppsStatefulSets};
  std::string groups;
  for (const kube::Resource& resource : resources) {
    const StatusOr<kube::JsonObject> object = api.GetJson(resource, {ns, target.name});
    if (object.ok()) return statefulset::ReadStatefulSet(resource, *object);
    // A cluster without the definition of our kind answers NOT_FOUND, too.
    if (!absl::IsNotFound(object.status())) return object.status();
    groups += fmt::format("{}{}", groups.empty() ? "" : " nor in ", resource.group);
  }
  return absl::NotFoundError(
      fmt::format("there is no StatefulSet \"{}\" in namespace \"{}\", {}in {}; -n names another "
                  "namespace",
                  target.name, ns, resources.size() > 1 ? "neither " : "", groups));
}

std::string DisplayName(const StatefulSet& set) {
  return fmt::format("statefulset.{}/{}", set.resource.group, set.key.name);
}

}  // namespace berth::rollout
