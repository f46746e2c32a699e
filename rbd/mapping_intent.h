#pragma once

#include <string>
#include <string_view>

namespace berth {

// The kernel's rbd tells the address of its client only after it has mapped an image. Until then
// the writer claim holds this among its instances: a client on the node that was booted as
// `boot_id` may be about to open the image. The node takes it back in the same step in which it
// records the address, or when nothing was mapped, and gives a device to nobody before that step.
// So an intent needs no fence: once the claim is being revoked, the step fails.
inline constexpr std::string_view kMappingIntentPrefix = "krbd:";

inline std::string MappingIntent(const std::string& boot_id) {
  return std::string(kMappingIntentPrefix) + boot_id;
}
inline bool IsMappingIntent(std::string_view instance) {
  return instance.starts_with(kMappingIntentPrefix);
}

}  // namespace berth
