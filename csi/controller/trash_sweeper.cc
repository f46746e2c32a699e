#include "csi/controller/trash_sweeper.h"

#include "absl/time/clock.h"
#include "base/log.h"

namespace berth {

TrashSweeper::TrashSweeper(Connections& connections, Volumes& volumes, absl::Duration interval)
    : connections_(connections),
      volumes_(volumes),
      interval_(interval),
      thread_([this] { Run(); }) {}

TrashSweeper::~TrashSweeper() {
  {
    auto state = state_.Lock();
    state->ending = true;
    state.NotifyAll();
  }
  thread_.join();
}

void TrashSweeper::Wake(const VolumeHandle& volume) {
  VolumeHandle pool = volume;
  pool.image.clear();
  auto state = state_.Lock();
  state->pools.insert(pool);
  state->known.insert(pool);
  state.NotifyAll();
}

void TrashSweeper::Run() {
  absl::Time next_full_sweep = absl::Now();
  for (;;) {
    std::set<VolumeHandle> pools;
    {
      auto state = state_.Lock();
      state.WaitUntil(next_full_sweep, [&] { return state->ending || !state->pools.empty(); });
      if (state->ending) return;
      pools.swap(state->pools);
    }
    // A deletion that has just begun is its own RPC's to finish; one that is old was cut off.
    const bool full_sweep = absl::Now() >= next_full_sweep;
    if (full_sweep) {
      pools.merge(AllPools());
      next_full_sweep = absl::Now() + interval_;
    }
    for (const VolumeHandle& pool : pools) {
      if (state_.Lock()->ending) return;
      Sweep(pool, full_sweep);
    }
  }
}

std::set<VolumeHandle> TrashSweeper::AllPools() {
  std::set<VolumeHandle> pools = state_.Lock()->known;
  connections_.ForEachNamespace([&](const VolumeHandle& pool) { pools.insert(pool); },
                                [](const std::string& cluster, const Status& status) {
                                  if (cluster.empty()) return;  // the next sweep reads it again
                                  LogLine("trash sweep skips a cluster")
                                      .Field("cluster", cluster)
                                      .Field("error", std::string(status.message()))
                                      .Write(spdlog::level::warn);
                                });
  return pools;
}

void TrashSweeper::Sweep(const VolumeHandle& pool, bool finish_deletions) {
  const auto report = [&pool](const std::string& image, const Status& status) {
    LogLine("an image could not be purged from the trash; the next sweep tries again")
        .Field("cluster", pool.cluster)
        .Field("pool", pool.pool)
        .Field("image", image)
        .Field("error", std::string(status.message()))
        .Write(spdlog::level::warn);
  };
  Status status;
  if (finish_deletions) status = volumes_.FinishDeletions(pool, std::nullopt, report);
  if (status.ok()) status = volumes_.PurgeTrash(pool, std::nullopt, report);
  // A pool that this user may not read holds no volumes of ours.
  if (!status.ok() && status.code() != absl::StatusCode::kPermissionDenied) report("", status);
}

}  // namespace berth
