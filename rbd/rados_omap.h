#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rbd/omap.h"
#include "rbd/rados.h"

namespace berth {

// OmapStore over a pool of a real cluster. `client` must outlive it; the pool context is its own.
std::unique_ptr<OmapStore> MakeRadosOmapStore(std::shared_ptr<RadosClient> client, IoContext io);

}  // namespace berth
