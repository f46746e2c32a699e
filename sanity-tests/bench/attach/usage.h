#pragma once

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "rbd/attacher.h"
#include "rbd/connections.h"
#include "sanity-tests/bench/attach/bench_directory.h"
#include "sanity-tests/bench/attach/process_usage.h"
#include "sanity-tests/bench/attach/settings.h"

namespace berth {

// What the user-space data path takes of the machine while `volumes` are attached.
struct CountedUsage {
  int volumes = 0;
  ProcessUsage io_processes;  // the sum of those that do the volumes' I/O
  ProcessUsage whole;         // berth-data and everything below it
};

// Makes and attaches `count` volumes of 64 MiB, and weighs after each has done a second of I/O, so
// that what is taken lazily is taken. Takes about three seconds a volume. The volumes are deleted
// at the end; `server` is berth-data's process.
StatusOr<CountedUsage> MeasureUsage(int count, const AttachBenchSettings& settings,
                                    const BenchDirectory& directory, const std::string& alias,
                                    Connections& connections, Attacher& attacher, pid_t server);

}  // namespace berth
