#pragma once

#include <string>
#include <vector>

#include "sanity-tests/dns/generated_cluster.h"

namespace berth::dns {

// Every name that `cluster`'s objects give rise to or might be thought to: those of Services,
// hosts, ports, addresses and of what stands between, names that do not exist beside them, and some
// in odd letter case. Each once.
std::vector<std::string> QuestionNames(const GeneratedCluster& cluster);

}  // namespace berth::dns
