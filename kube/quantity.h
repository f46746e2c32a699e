#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace berth::kube {

// The whole number of bytes of a resource.Quantity ("10Gi", "1.5G", "1e3", "500m"), rounded up.
// INVALID_ARGUMENT for what is no quantity, is negative, or does not fit.
StatusOr<int64_t> ParseQuantity(std::string_view text);

// The canonical binary form: 1073741824 → "1Gi", 1000 → "1000".
std::string FormatQuantity(int64_t bytes);

}  // namespace berth::kube
