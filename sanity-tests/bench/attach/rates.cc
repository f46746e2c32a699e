#include "sanity-tests/bench/attach/rates.h"

#include <algorithm>
#include <cstdio>

#include "sanity-tests/bench/attach/bench_volume.h"
#include "sanity-tests/bench/attach/rbd_fuse.h"

namespace berth {
namespace {

std::vector<MeasuredJob> Jobs() {
  return {{{"4k random read, depth 1", "randread", 1}, 0.75, 0, {}, {}, {}},
          {{"4k random write, depth 1", "randwrite", 1}, 0.75, 0, {}, {}, {}},
          {{"4k random read, depth 32", "randread", 32}, 0.85, 3, {}, {}, {}},
          {{"4k random write, depth 32", "randwrite", 32}, 0.85, 3, {}, {}, {}}};
}

// The image and the three ways to it.
struct Sides {
  BenchVolume& volume;
  FioTarget engine;
  RbdFuse::Image rbd_fuse;
  std::string fio_output;
  int seconds;
};

StatusOr<double> RunAttached(const MeasuredJob& job, Sides& sides) {
  FioTarget target;
  BERTH_ASSIGN_OR_RETURN(target.path, sides.volume.Attach());
  BERTH_ASSIGN_OR_RETURN(const double rate,
                         RunFio(job.job, target, sides.seconds, sides.fio_output));
  BERTH_RETURN_IF_ERROR(sides.volume.Detach());
  return rate;
}

StatusOr<double> RunEngine(const MeasuredJob& job, Sides& sides) {
  return RunFio(job.job, sides.engine, sides.seconds, sides.fio_output);
}

StatusOr<double> RunRbdFuse(const MeasuredJob& job, Sides& sides) {
  BERTH_ASSIGN_OR_RETURN(RbdFuse mounted, RbdFuse::Mount(sides.rbd_fuse));
  FioTarget target;
  target.path = mounted.file();
  BERTH_ASSIGN_OR_RETURN(const double rate,
                         RunFio(job.job, target, sides.seconds, sides.fio_output));
  BERTH_RETURN_IF_ERROR(mounted.Unmount());
  return rate;
}

struct Side {
  StatusOr<double> (*run)(const MeasuredJob&, Sides&);
  std::vector<double> MeasuredJob::*rates;
};

Status MeasureJob(int round, MeasuredJob& job, Sides& sides) {
  std::vector<Side> order = {{RunAttached, &MeasuredJob::attached},
                             {RunEngine, &MeasuredJob::engine}};
  if (job.rbd_fuse_floor > 0) order.push_back({RunRbdFuse, &MeasuredJob::rbd_fuse});
  // Each round another one begins.
  std::rotate(order.begin(), order.begin() + round % static_cast<int>(order.size()), order.end());
  for (const Side& side : order) {
    BERTH_ASSIGN_OR_RETURN(const double rate, side.run(job, sides));
    (job.*side.rates).push_back(rate);
  }
  return absl::OkStatus();
}

void PrintRound(int round, const MeasuredJob& job) {
  std::fprintf(stderr, "round %d: %-26s %8.0f attached, %8.0f fio's rbd engine", round + 1,
               job.job.name.c_str(), job.attached.back(), job.engine.back());
  if (!job.rbd_fuse.empty()) std::fprintf(stderr, ", %8.0f rbd-fuse", job.rbd_fuse.back());
  std::fprintf(stderr, "\n");
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double MedianRatio(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  return Median(ratios);
}

StatusOr<std::vector<MeasuredJob>> MeasureRates(const AttachBenchSettings& settings,
                                                const BenchDirectory& directory,
                                                const std::string& alias, Connections& connections,
                                                Attacher& attacher) {
  const VolumeHandle handle{alias, settings.pool, "", "attach-bench"};
  BERTH_ASSIGN_OR_RETURN(BenchVolume volume,
                         BenchVolume::Create(connections, attacher, handle,
                                             static_cast<uint64_t>(settings.size_mib) << 20));
  BERTH_ASSIGN_OR_RETURN(const ClusterConfig cluster, connections.clusters().Find(alias));
  Sides sides = {volume,
                 {"", cluster.conf_path, directory.keyring(alias), cluster.user.id, settings.pool,
                  handle.image},
                 {cluster.conf_path, settings.admin_keyring, settings.pool, handle.image,
                  directory.rbd_fuse_log()},
                 directory.fio_output(),
                 settings.seconds};
  BERTH_RETURN_IF_ERROR(FillWithFio(sides.engine, sides.fio_output));
  std::vector<MeasuredJob> jobs = Jobs();
  std::erase_if(jobs, [&](const MeasuredJob& job) {
    return job.job.name.find(settings.jobs) == std::string::npos;
  });
  for (int round = 0; round < settings.rounds; ++round) {
    for (MeasuredJob& job : jobs) {
      BERTH_RETURN_IF_ERROR(MeasureJob(round, job, sides));
      PrintRound(round, job);
    }
  }
  return jobs;
}

}  // namespace berth
