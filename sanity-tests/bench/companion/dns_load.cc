#include "sanity-tests/bench/companion/dns_load.h"

#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace berth::dns {
namespace {

// What the figures of other servers were taken with: clients, threads, outstanding questions.
const std::vector<std::string> kFullRate = {"-c", "8", "-T", "1", "-q", "100"};

// Of children that have ended: dnsperf's.
double ChildrenCpuSeconds() {
  rusage usage = {};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The number behind `label` in dnsperf's report.
StatusOr<double> NumberAfter(const std::string& report, const std::string& label) {
  const size_t at = report.find(label);
  double number = 0;
  if (at != std::string::npos) {
    std::istringstream rest(report.substr(at + label.size()));
    if (rest >> number) return number;
  }
  return absl::InternalError("dnsperf does not say \"" + label + "\":\n" + report);
}

}  // namespace

std::string Load::WriteQuestions(const std::string& file,
                                 const std::vector<std::string>& names) const {
  const std::string path = directory_ + "/" + file;
  std::ofstream out(path);
  for (const std::string& name : names) out << name << " A\n";
  return path;
}

std::vector<std::string> Load::Arguments(uint16_t port, const std::string& questions) const {
  std::vector<std::string> argv = {"taskset",   "-c", std::to_string(core_), "dnsperf", "-s",
                                   "127.0.0.1", "-p", std::to_string(port),  "-d",      questions};
  argv.insert(argv.end(), kFullRate.begin(), kFullRate.end());
  return argv;
}

StatusOr<ChildProcess> Load::StartEndless(uint16_t port, const std::string& questions) const {
  const std::string command = absl::StrJoin(Arguments(port, questions), " ");
  return ChildProcess::Start({"setpriv", "--pdeathsig", "KILL", "sh", "-c",
                              fmt::format("exec {} >/dev/null 2>&1", command)},
                             {});
}

StatusOr<Load::Rate> Load::MeasureRate(uint16_t port, pid_t server, const std::string& questions,
                                       int seconds) const {
  std::vector<std::string> argv = Arguments(port, questions);
  argv.insert(argv.end(), {"-l", std::to_string(seconds)});
  const absl::Time begin = absl::Now();
  const double server_before = CpuSeconds(server);
  const double generator_before = ChildrenCpuSeconds();
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result,
                         RunProcess(argv, absl::Now() + absl::Seconds(seconds + 30)));
  if (result.exit_code != 0) return absl::InternalError("dnsperf: " + result.output);
  const double elapsed_s = absl::ToDoubleSeconds(absl::Now() - begin);
  Rate rate;
  BERTH_ASSIGN_OR_RETURN(rate.queries_per_s, NumberAfter(result.output, "Queries per second:"));
  BERTH_ASSIGN_OR_RETURN(const double sent, NumberAfter(result.output, "Queries sent:"));
  BERTH_ASSIGN_OR_RETURN(const double lost, NumberAfter(result.output, "Queries lost:"));
  rate.lost_percent = 100 * lost / std::max(sent, 1.0);
  rate.server_cpu = (CpuSeconds(server) - server_before) / elapsed_s;
  rate.generator_cpu = (ChildrenCpuSeconds() - generator_before) / elapsed_s;
  return rate;
}

StatusOr<Load::Latency> Load::MeasureLatency(uint16_t port, const std::string& questions,
                                             int queries_per_s, int seconds) const {
  std::vector<std::string> argv = Arguments(port, questions);
  argv.insert(argv.end(),
              {"-l", std::to_string(seconds), "-Q", std::to_string(queries_per_s), "-v"});
  // Its report is longer than what RunProcess keeps.
  const std::string report = directory_ + "/latencies";
  BERTH_ASSIGN_OR_RETURN(
      const ProcessResult result,
      RunProcess({"sh", "-c", fmt::format("exec {} >{}", absl::StrJoin(argv, " "), report)},
                 absl::Now() + absl::Seconds(seconds + 30)));
  if (result.exit_code != 0) return absl::InternalError("dnsperf: " + result.output);
  // "> NOERROR name A 0.000123"
  std::vector<double> latencies_us;
  std::ifstream in(report);
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    double latency_s = 0;
    if (words.size() == 5 && words[1] == "NOERROR" && absl::SimpleAtod(words[4], &latency_s)) {
      latencies_us.push_back(latency_s * 1e6);
    }
  }
  if (latencies_us.size() < static_cast<size_t>(queries_per_s)) {
    return absl::InternalError("dnsperf got too few answers; see " + report);
  }
  return Latency{Percentile(latencies_us, 0.5), Percentile(latencies_us, 0.99)};
}

double CpuSeconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  // Behind the program's name, which may hold spaces: state is field 3, utime 14, stime 15.
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0;
  double system = 0;
  rest >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ResidentMib(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace berth::dns
