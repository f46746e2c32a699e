// attach-bench: what the way through FUSE and a loop device costs, against fio's own rbd engine on
// the same fully written image, and what an I/O process takes of the machine.

#include <grpcpp/grpcpp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/flags.h"
#include "base/process.h"
#include "rbd/data/client.h"
#include "sanity-tests/bench/attach/bench_volume.h"
#include "sanity-tests/bench/attach/fio.h"
#include "sanity-tests/bench/attach/process_usage.h"

namespace berth {
namespace {

struct Settings {
  std::string clusters;
  std::string pool = "rbd";
  std::string berth_data;
  std::string json_path;
  int size_mib = 2048;
  int seconds = 10;
  int rounds = 3;
  std::vector<int> volume_counts = {1, 20};
};

struct MeasuredJob {
  FioJob job;
  double floor = 0;  // of the median ratio
  std::vector<double> attached;
  std::vector<double> engine;
};

std::vector<MeasuredJob> Jobs() {
  return {{{"4k random read, depth 1", "randread", 1}, 0.75, {}, {}},
          {{"4k random write, depth 1", "randwrite", 1}, 0.75, {}, {}},
          {{"4k random read, depth 32", "randread", 32}, 0.85, {}, {}},
          {{"4k random write, depth 32", "randwrite", 32}, 0.85, {}, {}}};
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The ratio is taken inside each round: both sides then met the same machine.
double MedianRatio(const MeasuredJob& job) {
  std::vector<double> ratios;
  for (size_t i = 0; i < job.attached.size(); ++i) {
    ratios.push_back(job.attached[i] / job.engine[i]);
  }
  return Median(ratios);
}

// A directory with a cluster description of its own, RBD's cache switched off for both sides.
class BenchDirectory {
 public:
  BenchDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "berth-attach-bench-XXXXXX";
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~BenchDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  BenchDirectory(const BenchDirectory&) = delete;
  BenchDirectory& operator=(const BenchDirectory&) = delete;

  Status CopyCluster(const std::string& clusters, const std::string& alias) const {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::create_directories(cluster(alias), error);
    for (const char* file : {"ceph.conf", "keyring"}) {
      fs::copy_file(fs::path(clusters) / alias / file, fs::path(cluster(alias)) / file, error);
      if (error) return ErrnoError(error.value(), fmt::format("copy {} of {}", file, alias));
    }
    std::ofstream conf(cluster(alias) + "/ceph.conf", std::ios::app);
    conf << "\n[client]\nrbd cache = false\n";
    return absl::OkStatus();
  }
  std::string clusters() const { return path_ + "/clusters"; }
  std::string cluster(const std::string& alias) const { return clusters() + "/" + alias; }
  std::string socket() const { return path_ + "/data.sock"; }
  std::string fio_output() const { return path_ + "/fio.json"; }

 private:
  std::string path_;
};

// A berth-data of our own; ended when this goes.
class DataServer {
 public:
  static StatusOr<DataServer> Start(const Settings& settings, const BenchDirectory& directory) {
    BERTH_ASSIGN_OR_RETURN(
        ChildProcess process,
        ChildProcess::Start({settings.berth_data, "--data-socket", directory.socket(), "--clusters",
                             directory.clusters(), "--log-level", "error"},
                            {}));
    const auto channel =
        grpc::CreateChannel("unix:" + directory.socket(), grpc::InsecureChannelCredentials());
    if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(20)))) {
      process.Signal(SIGKILL).IgnoreError();
      process.Wait(absl::InfiniteFuture()).IgnoreError();
      return absl::UnavailableError("berth-data does not listen");
    }
    return DataServer(std::move(process));
  }
  DataServer(DataServer&&) = default;
  ~DataServer() {
    if (process_.pid() < 0) return;
    process_.Signal(SIGTERM).IgnoreError();
    if (!process_.Wait(absl::Now() + absl::Seconds(20)).ok()) {
      spdlog::warn("berth-data goes on, because a device is still attached");
    }
  }
  pid_t pid() const { return process_.pid(); }

 private:
  explicit DataServer(ChildProcess process) : process_(std::move(process)) {}
  ChildProcess process_;
};

Status MeasureRound(int round, BenchVolume& volume, const FioTarget& engine,
                    const BenchDirectory& directory, int seconds, std::vector<MeasuredJob>& jobs) {
  for (MeasuredJob& job : jobs) {
    // Every other round the order is turned round.
    for (const bool attached : {round % 2 == 0, round % 2 != 0}) {
      FioTarget target = engine;
      if (attached) {
        BERTH_ASSIGN_OR_RETURN(target.device, volume.Attach());
      }
      BERTH_ASSIGN_OR_RETURN(const double rate,
                             RunFio(job.job, target, seconds, directory.fio_output()));
      (attached ? job.attached : job.engine).push_back(rate);
      if (attached) BERTH_RETURN_IF_ERROR(volume.Detach());
    }
    std::fprintf(stderr, "round %d: %-26s %8.0f attached, %8.0f fio's rbd engine\n", round + 1,
                 job.job.name.c_str(), job.attached.back(), job.engine.back());
  }
  return absl::OkStatus();
}

StatusOr<std::vector<MeasuredJob>> MeasureRates(const Settings& settings,
                                                const BenchDirectory& directory,
                                                const std::string& alias, Connections& connections,
                                                Attacher& attacher) {
  const VolumeHandle handle{alias, settings.pool, "", "attach-bench"};
  BERTH_ASSIGN_OR_RETURN(BenchVolume volume,
                         BenchVolume::Create(connections, attacher, handle,
                                             static_cast<uint64_t>(settings.size_mib) << 20));
  BERTH_ASSIGN_OR_RETURN(const ClusterConfig cluster, connections.clusters().Find(alias));
  const FioTarget engine{"",
                         cluster.conf_path,
                         directory.cluster(alias) + "/keyring",
                         cluster.user.id,
                         settings.pool,
                         handle.image};
  BERTH_RETURN_IF_ERROR(FillWithFio(engine, directory.fio_output()));
  std::vector<MeasuredJob> jobs = Jobs();
  for (int round = 0; round < settings.rounds; ++round) {
    BERTH_RETURN_IF_ERROR(MeasureRound(round, volume, engine, directory, settings.seconds, jobs));
  }
  return jobs;
}

struct CountedUsage {
  int volumes = 0;
  ProcessUsage sum;
};

// After each volume has done a second of I/O, so that what is taken lazily is taken.
StatusOr<CountedUsage> MeasureUsage(int count, const Settings& settings,
                                    const BenchDirectory& directory, const std::string& alias,
                                    Connections& connections, Attacher& attacher, pid_t server) {
  std::vector<BenchVolume> volumes;
  for (int i = 0; i < count; ++i) {
    BERTH_ASSIGN_OR_RETURN(
        BenchVolume volume,
        BenchVolume::Create(connections, attacher,
                            {alias, settings.pool, "", fmt::format("attach-bench-{}", i)},
                            64 << 20));
    volumes.push_back(std::move(volume));
    FioTarget target;
    BERTH_ASSIGN_OR_RETURN(target.device, volumes.back().Attach());
    BERTH_RETURN_IF_ERROR(
        RunFio({"warm up", "randrw", 32}, target, 1, directory.fio_output()).status());
  }
  return CountedUsage{count, UsageOf(ChildrenOf(server))};
}

bool Print(const std::vector<MeasuredJob>& jobs, const std::vector<CountedUsage>& usages) {
  bool good = true;
  std::printf("%-26s %12s %12s %8s %8s\n", "operations per second", "attached", "rbd engine",
              "ratio", "floor");
  for (const MeasuredJob& job : jobs) {
    const double ratio = MedianRatio(job);
    good = good && ratio >= job.floor;
    std::printf("%-26s %12.0f %12.0f %7.0f%% %7.0f%%%s\n", job.job.name.c_str(),
                Median(job.attached), Median(job.engine), 100 * ratio, 100 * job.floor,
                ratio < job.floor ? "  below" : "");
  }
  std::printf("\n%-26s %12s %12s %8s %8s\n", "I/O processes, each", "PSS MiB", "private MiB",
              "threads", "sockets");
  for (const CountedUsage& usage : usages) {
    std::printf("%-26s %12.1f %12.1f %8.1f %8.1f\n",
                fmt::format("{} attached", usage.volumes).c_str(),
                usage.sum.resident_mib / usage.volumes, usage.sum.private_mib / usage.volumes,
                1.0 * usage.sum.threads / usage.volumes, 1.0 * usage.sum.sockets / usage.volumes);
  }
  return good;
}

nlohmann::json ToJson(const Settings& settings, const std::vector<MeasuredJob>& jobs,
                      const std::vector<CountedUsage>& usages) {
  utsname machine = {};
  uname(&machine);
  nlohmann::json json = {{"benchmark", "attach"},
                         {"kernel", machine.release},
                         {"cores", std::thread::hardware_concurrency()},
                         {"image_mib", settings.size_mib},
                         {"seconds", settings.seconds},
                         {"rounds", settings.rounds}};
  for (const MeasuredJob& job : jobs) {
    json["rates"].push_back({{"job", job.job.name},
                             {"attached_iops", job.attached},
                             {"rbd_engine_iops", job.engine},
                             {"median_ratio", MedianRatio(job)},
                             {"floor", job.floor}});
  }
  for (const CountedUsage& usage : usages) {
    json["usage"].push_back({{"volumes", usage.volumes},
                             {"pss_mib", usage.sum.resident_mib},
                             {"private_mib", usage.sum.private_mib},
                             {"threads", usage.sum.threads},
                             {"sockets", usage.sum.sockets}});
  }
  return json;
}

StatusOr<bool> Run(const Settings& settings) {
  const BenchDirectory directory;
  BERTH_ASSIGN_OR_RETURN(const std::string alias,
                         ClusterDirectory(settings.clusters).DefaultAlias());
  BERTH_RETURN_IF_ERROR(directory.CopyCluster(settings.clusters, alias));
  BERTH_ASSIGN_OR_RETURN(const DataServer server, DataServer::Start(settings, directory));
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
  const bool good = Print(jobs, usages);
  if (!settings.json_path.empty()) {
    std::ofstream(settings.json_path) << ToJson(settings, jobs, usages).dump(2) << '\n';
  }
  return good;
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("attach-bench", "Measures the attach path against fio's rbd engine",
                     BERTH_VERSION);
  berth::Settings settings;
  flags.AddClusters(settings.clusters);
  flags.app().add_option("--pool", settings.pool, "pool to work in")->capture_default_str();
  flags.app().add_option("--berth-data", settings.berth_data, "the program to measure")->required();
  flags.app().add_option("--json", settings.json_path, "file to write the figures to");
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
