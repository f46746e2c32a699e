#include "companion/dns/loop_probe.h"

#include <spdlog/fmt/fmt.h>

namespace berth::dns {

// Two labels, because some resolvers do not forward a single one. The top-level domain does not
// exist.
LoopProbe::LoopProbe(uint64_t random)
    : name_(*Child(fmt::format("{:016x}", random),
                   *Child("berth-loop-probe", std::string_view("\0", 1)))) {}

}  // namespace berth::dns
