// How far a set's rollout is: a pure function of what the API server has.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/core_v1.h"

namespace berth::rollout {

struct Progress {
  bool complete = false;
  std::string message;  // what it is, or what is waited for
};

// Complete when the controller has seen the newest spec, all pods are ready, and all that the
// partition lets have the update revision; the order of these questions is kubectl's.
// FAILED_PRECONDITION for the strategy OnDelete, which rolls nothing out.
StatusOr<Progress> ProgressOf(const statefulset::StatefulSet& set);

// The pods that hold a rollout up and why, "web-1 (ImagePullBackOff)", at most three of them: those
// that are not ready, and when all are, those of an older revision. Empty when there are none.
// `pods` may hold others than the set's.
std::string Laggards(const statefulset::StatefulSet& set, const std::vector<kube::core::Pod>& pods);

}  // namespace berth::rollout
