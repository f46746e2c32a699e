#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/attacher.h"
#include "rbd/connections.h"
#include "sanity-tests/bench/attach/bench_directory.h"
#include "sanity-tests/bench/attach/fio.h"
#include "sanity-tests/bench/attach/settings.h"

namespace berth {

// One job on the same image, by each way; operations per second, one figure a round.
struct MeasuredJob {
  FioJob job;
  double engine_floor = 0;    // of attached / fio's rbd engine
  double rbd_fuse_floor = 0;  // of attached / rbd-fuse; 0: rbd-fuse is not measured
  std::vector<double> attached;
  std::vector<double> engine;
  std::vector<double> rbd_fuse;
};

double Median(std::vector<double> values);

// The median of the rounds' ratios. Each is taken inside its round: both sides then met the same
// machine.
double MedianRatio(const std::vector<double>& ours, const std::vector<double>& theirs);

// Runs all jobs by all ways on one fully written image of the cluster `alias`, which is made for it
// and deleted at the end. Takes rounds * jobs * 2 or 3 * seconds.
StatusOr<std::vector<MeasuredJob>> MeasureRates(const AttachBenchSettings& settings,
                                                const BenchDirectory& directory,
                                                const std::string& alias, Connections& connections,
                                                Attacher& attacher);

}  // namespace berth
