// attach-bench: what the way through FUSE and a loop device costs, against fio's own rbd engine and
// Debian's rbd-fuse on the same fully written image, and what it takes of the machine.

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/flags.h"
#include "rbd/data/client.h"
#include "sanity-tests/bench/attach/bench_directory.h"
#include "sanity-tests/bench/attach/data_server.h"
#include "sanity-tests/bench/attach/rates.h"
#include "sanity-tests/bench/attach/report.h"
#include "sanity-tests/bench/attach/settings.h"
#include "sanity-tests/bench/attach/usage.h"

namespace berth {
namespace {

StatusOr<bool> Run(const AttachBenchSettings& settings) {
  BERTH_ASSIGN_OR_RETURN(const BenchDirectory directory, BenchDirectory::Create());
  BERTH_ASSIGN_OR_RETURN(const std::string alias,
                         ClusterDirectory(settings.clusters).DefaultAlias());
  BERTH_RETURN_IF_ERROR(directory.CopyCluster(settings.clusters, alias));
  BERTH_ASSIGN_OR_RETURN(
      const DataServer server,
      DataServer::Start(settings.berth_data, directory.socket(), directory.clusters()));
  DataPathClient attacher(directory.socket());
  Connections connections(ClusterDirectory(directory.clusters()), std::chrono::seconds(30));
  BERTH_ASSIGN_OR_RETURN(const std::vector<MeasuredJob> jobs,
                         MeasureRates(settings, directory, alias, connections, attacher));
  std::vector<CountedUsage> usages;
  for (const int count : settings.volume_counts) {
    BERTH_ASSIGN_OR_RETURN(CountedUsage usage, MeasureUsage(count, settings, directory, alias,
                                                            connections, attacher, server.pid()));
    usages.push_back(usage);
  }
  if (!settings.json_path.empty()) {
    std::ofstream(settings.json_path) << ReportAsJson(settings, jobs, usages).dump(2) << '\n';
  }
  return PrintReport(jobs, usages);
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("attach-bench",
                     "Measures the attach path against fio's rbd engine and rbd-fuse",
                     BERTH_VERSION);
  berth::AttachBenchSettings settings;
  flags.AddClusters(settings.clusters);
  flags.app().add_option("--pool", settings.pool, "pool to work in")->capture_default_str();
  flags.app().add_option("--berth-data", settings.berth_data, "the program to measure")->required();
  flags.app()
      .add_option("--admin-keyring", settings.admin_keyring,
                  "keyring of client.admin, as whom rbd-fuse connects")
      ->required();
  flags.app().add_option("--json", settings.json_path, "file to write the figures to");
  flags.app().add_option("--jobs", settings.jobs, "only jobs whose name contains this");
  flags.app()
      .add_option("--size-mib", settings.size_mib, "size of the image")
      ->capture_default_str();
  flags.app().add_option("--seconds", settings.seconds, "of each job")->capture_default_str();
  flags.app().add_option("--rounds", settings.rounds, "of all jobs")->capture_default_str();
  flags.app()
      .add_option("--volumes", settings.volume_counts, "numbers of volumes to weigh")
      ->delimiter(',')
      ->capture_default_str();
  if (const auto exit_code = flags.Parse(argc, argv)) return *exit_code;
  const berth::StatusOr<bool> good = berth::Run(settings);
  if (!good.ok()) {
    std::fprintf(stderr, "attach-bench: %s\n", std::string(good.status().message()).c_str());
    return 2;
  }
  return *good ? 0 : 1;
}
