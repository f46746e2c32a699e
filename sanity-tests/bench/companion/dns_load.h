#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/status.h"

namespace berth::dns {

// dnsperf, the load generator, pinned to a core of its own.
class Load {
 public:
  // `directory` is for its files.
  Load(std::string directory, int core) : directory_(std::move(directory)), core_(core) {}

  // Writes `names` as questions for their addresses; the file for the calls below.
  std::string WriteQuestions(const std::string& file, const std::vector<std::string>& names) const;

  struct Rate {
    double queries_per_s = 0;
    double lost_percent = 0;
    double server_cpu = 0;     // of its core, 0 to 1
    double generator_cpu = 0;  // likewise
  };
  // As many questions as possible for `seconds`, answered by `server` on `port`. INTERNAL when
  // dnsperf fails.
  StatusOr<Rate> MeasureRate(uint16_t port, pid_t server, const std::string& questions,
                             int seconds) const;

  struct Latency {
    double p50_us = 0;
    double p99_us = 0;
  };
  // At `queries_per_s`.
  StatusOr<Latency> MeasureLatency(uint16_t port, const std::string& questions, int queries_per_s,
                                   int seconds) const;

  // A load at full rate that goes on until it is killed.
  StatusOr<ChildProcess> StartEndless(uint16_t port, const std::string& questions) const;

 private:
  std::vector<std::string> Arguments(uint16_t port, const std::string& questions) const;

  const std::string directory_;
  const int core_;
};

// Seconds of processor time that `pid` has taken.
double CpuSeconds(pid_t pid);
double ResidentMib(pid_t pid);

// The value below which a `share` of `values` lies; 0 when there are none.
double Percentile(std::vector<double> values, double share);

}  // namespace berth::dns
