#include "programs/berth-node/gone_instances.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "rbd/data/instance_file.h"
#include "rbd/fence_upkeep.h"

namespace berth {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(5);
constexpr absl::Duration kIntervalAfterFailure = absl::Seconds(30);

Status Confirm(const GoneInstance& gone, Connections& connections) {
  BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                         connections.Open(gone.volume, std::nullopt));
  BERTH_ASSIGN_OR_RETURN(const bool done, ForgetFenceOfDead(pool->registry, pool->fences,
                                                            gone.volume.image, gone.instance));
  if (done) unlink(gone.path.c_str());
  return absl::OkStatus();
}

}  // namespace

absl::Duration ConfirmGoneInstances(const std::string& directory, Connections& connections) {
  const StatusOr<std::vector<GoneInstance>> gone = FindGoneInstances(directory);
  Status status = gone.status();
  if (gone.ok()) {
    for (const GoneInstance& one : *gone) {
      status.Update(Annotate(Confirm(one, connections), one.volume.ToString()));
    }
  }
  if (status.ok()) return kInterval;
  LogLine("could not look whether clients that are gone were fenced; their fences stay meanwhile")
      .Field("error", std::string(status.message()))
      .Write(spdlog::level::warn);
  return kIntervalAfterFailure;
}

}  // namespace berth
