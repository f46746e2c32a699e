#pragma once

#include <string>

#include "absl/time/time.h"
#include "kube/meta_v1.h"

namespace berth::kube {

inline meta::Time ToTime(absl::Time time) {
  meta::Time message;
  message.set_seconds(absl::ToUnixSeconds(time));
  return message;
}

inline meta::MicroTime ToMicroTime(absl::Time time) {
  meta::MicroTime message;
  const int64_t micros = absl::ToUnixMicros(time);
  message.set_seconds(micros / 1'000'000);
  message.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  return message;
}

// RFC 3339 as the API writes a meta.v1.Time in JSON: UTC, whole seconds.
inline std::string ToJsonTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace berth::kube
