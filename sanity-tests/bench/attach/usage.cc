#include "sanity-tests/bench/attach/usage.h"

#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "sanity-tests/bench/attach/bench_volume.h"
#include "sanity-tests/bench/attach/fio.h"

namespace berth {

StatusOr<CountedUsage> MeasureUsage(int count, const AttachBenchSettings& settings,
                                    const BenchDirectory& directory, const std::string& alias,
                                    Connections& connections, Attacher& attacher, pid_t server) {
  std::fprintf(stderr, "attaching %d volumes\n", count);
  std::vector<BenchVolume> volumes;
  for (int i = 0; i < count; ++i) {
    BERTH_ASSIGN_OR_RETURN(
        BenchVolume volume,
        BenchVolume::Create(connections, attacher,
                            {alias, settings.pool, "", fmt::format("attach-bench-{}", i)},
                            64 << 20));
    volumes.push_back(std::move(volume));
    FioTarget target;
    BERTH_ASSIGN_OR_RETURN(target.path, volumes.back().Attach());
    BERTH_RETURN_IF_ERROR(
        RunFio({"warm up", "randrw", 32}, target, 1, directory.fio_output()).status());
  }
  const std::vector<pid_t> io_processes = ChildrenOf(server);
  std::vector<pid_t> whole = {server};
  for (size_t i = 0; i < whole.size(); ++i) {  // it grows meanwhile
    for (const pid_t child : ChildrenOf(whole[i])) whole.push_back(child);
  }
  return CountedUsage{count, UsageOf(io_processes), UsageOf(whole)};
}

}  // namespace berth
