#include "sanity-tests/bench/attach/report.h"

#include <spdlog/fmt/fmt.h>
#include <sys/utsname.h>

#include <cstdio>
#include <string>
#include <thread>

namespace berth {
namespace {

// "96% (85%)": the ratio and its floor, marked when it is below.
std::string RatioCell(double ratio, double floor) {
  return fmt::format("{:.0f}% ({:.0f}%){}", 100 * ratio, 100 * floor, ratio < floor ? "!" : "");
}

bool PrintJob(const MeasuredJob& job) {
  const double ratio = MedianRatio(job.attached, job.engine);
  bool good = ratio >= job.engine_floor;
  std::string rbd_fuse, rbd_fuse_ratio;
  if (!job.rbd_fuse.empty()) {
    const double times = MedianRatio(job.attached, job.rbd_fuse);
    good = good && times >= job.rbd_fuse_floor;
    rbd_fuse = fmt::format("{:.0f}", Median(job.rbd_fuse));
    rbd_fuse_ratio = RatioCell(times, job.rbd_fuse_floor);
  }
  fmt::print("{:26} {:>10.0f} {:>10.0f} {:>10} {:>16} {:>16}\n", job.job.name, Median(job.attached),
             Median(job.engine), rbd_fuse, RatioCell(ratio, job.engine_floor), rbd_fuse_ratio);
  return good;
}

void PrintUsage(const std::string& name, const ProcessUsage& usage, double divisor) {
  fmt::print("{:36} {:>10.1f} {:>12.1f} {:>8.1f} {:>8.1f}\n", name, usage.resident_mib / divisor,
             usage.private_mib / divisor, usage.threads / divisor, usage.sockets / divisor);
}

nlohmann::json UsageAsJson(const ProcessUsage& usage) {
  return {{"pss_mib", usage.resident_mib},
          {"private_mib", usage.private_mib},
          {"threads", usage.threads},
          {"sockets", usage.sockets}};
}

}  // namespace

bool PrintReport(const std::vector<MeasuredJob>& jobs, const std::vector<CountedUsage>& usages) {
  bool good = true;
  fmt::print("{:26} {:>10} {:>10} {:>10} {:>16} {:>16}\n", "operations per second", "attached",
             "rbd engine", "rbd-fuse", "to rbd engine", "to rbd-fuse");
  for (const MeasuredJob& job : jobs) good = PrintJob(job) && good;
  fmt::print("In brackets the floors; ! is below. All by fio with direct I/O; rbd-fuse is given\n");
  fmt::print("libaio too, but its file takes one request of a submission after the other.\n");
  fmt::print("\n{:36} {:>10} {:>12} {:>8} {:>8}\n", "user-space data path", "PSS MiB",
             "private MiB", "threads", "sockets");
  for (const CountedUsage& usage : usages) {
    PrintUsage(fmt::format("{} attached, each I/O process", usage.volumes), usage.io_processes,
               usage.volumes);
    PrintUsage(fmt::format("{} attached, sum with berth-data", usage.volumes), usage.whole, 1);
  }
  return good;
}

nlohmann::json ReportAsJson(const AttachBenchSettings& settings,
                            const std::vector<MeasuredJob>& jobs,
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
    nlohmann::json rates = {{"job", job.job.name},
                            {"attached_iops", job.attached},
                            {"rbd_engine_iops", job.engine},
                            {"median_ratio", MedianRatio(job.attached, job.engine)},
                            {"floor", job.engine_floor}};
    if (!job.rbd_fuse.empty()) {
      rates["rbd_fuse_iops"] = job.rbd_fuse;
      rates["rbd_fuse_median_ratio"] = MedianRatio(job.attached, job.rbd_fuse);
      rates["rbd_fuse_floor"] = job.rbd_fuse_floor;
    }
    json["rates"].push_back(std::move(rates));
  }
  for (const CountedUsage& usage : usages) {
    json["usage"].push_back({{"volumes", usage.volumes},
                             {"io_processes", UsageAsJson(usage.io_processes)},
                             {"whole", UsageAsJson(usage.whole)}});
  }
  return json;
}

}  // namespace berth
