#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "companion/statefulset/stateful_set.h"
#include "kube/client.h"

namespace berth::rollout {

// Follows `set`, which was just read, until its rollout is complete. `say` is called from this
// thread with what is waited for whenever that changes, and last with what is complete. The set is
// looked at at least once. DEADLINE_EXCEEDED says what was still waited for; NOT_FOUND when the set
// goes; FAILED_PRECONDITION when its strategy becomes OnDelete; a list that the API server refuses
// shows as DEADLINE_EXCEEDED with its error.
Status WaitForRollout(kube::ApiClient& api, const statefulset::StatefulSet& set,
                      absl::Time deadline, const std::function<void(const std::string&)>& say);

}  // namespace berth::rollout
