#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/client.h"

namespace berth::rollout {

// The StatefulSet that a person means. Without `resource`: the one of berth.storage if there is
// such a set, else that of apps.
struct Target {
  std::string name;
  std::optional<kube::Resource> resource = std::nullopt;
};

// "<resource>/<name>" as kubectl takes it: statefulset, statefulsets, sts, bsts (berth.storage) or
// statefulsets.<group>. INVALID_ARGUMENT says what it takes.
StatusOr<Target> ParseTarget(std::string_view text);

// Reads the set. NOT_FOUND names what was looked for; else the errors of the API server, and of
// ReadStatefulSet.
StatusOr<statefulset::StatefulSet> FindSet(kube::ApiClient& api, const Target& target,
                                           const std::string& ns);

// "statefulset.apps/web", as kubectl writes it.
std::string DisplayName(const statefulset::StatefulSet& set);

}  // namespace berth::rollout
