// dns-bench BERTH_COMPANION DIRECTORY OUT: berth-companion's role dns beside CoreDNS, with its
// cache and without, over one kube-apiserver without kubelets: rate, latency, memory, and how long
// a change takes. All servers share one core, one at a time; the load has another; the API server
// and whoever asks for what it changed have all. A table, and JSON to OUT.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/time/clock.h"
#include "base/short_turns.h"
#include "kube/cancellation.h"
#include "kube/testing/api_server.h"
#include "sanity-tests/bench/companion/dns_changes.h"
#include "sanity-tests/bench/companion/dns_load.h"
#include "sanity-tests/dns/dns_process.h"

namespace berth::dns {
namespace {

constexpr int kServerCore = 0;
constexpr int kLoadCore = 1;
constexpr int kQueriesPerS = 2000;
constexpr size_t kChanges = 200;
// Each takes as long as a cached answer may live.
constexpr size_t kChangesBehindCache = 6;
constexpr size_t kChangesToCatchUp = 2;
// Longer than the interval in which berth-companion gives back what only its start needed.
constexpr absl::Duration kReleaseInterval = absl::Seconds(35);
constexpr char kBerth[] = "Berth";
constexpr char kCached[] = "CoreDNS, cache 30";
constexpr char kUncached[] = "CoreDNS, no cache";

struct Settings {
  std::string berth_companion;
  std::string directory;
  int rounds = 3;
  int seconds = 5;
};

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

double Median(const std::vector<double>& values) { return Percentile(values, 0.5); }

nlohmann::json Percentiles(const std::vector<ChangeDelay>& delays, double ChangeDelay::*part) {
  std::vector<double> values;
  for (const ChangeDelay& delay : delays) values.push_back(delay.*part);
  return {{"p50_ms", Percentile(values, 0.5)},
          {"p90_ms", Percentile(values, 0.9)},
          {"p99_ms", Percentile(values, 0.99)},
          {"max_ms", Percentile(values, 1)}};
}

// Stops all servers but one for as long as it lives: each change goes to all of them at once, and
// on their one core the measured one would wait for the others.
class OthersStopped {
 public:
  OthersStopped(const std::map<std::string, DnsProcess>& servers, const std::string& measured)
      : servers_(servers), measured_(measured) {
    SignalOthers(SIGSTOP);
  }
  ~OthersStopped() { SignalOthers(SIGCONT); }
  OthersStopped(const OthersStopped&) = delete;
  OthersStopped& operator=(const OthersStopped&) = delete;

 private:
  void SignalOthers(int signal) const {
    for (const auto& [name, server] : servers_) {
      if (name != measured_) kill(server.pid(), signal);
    }
  }

  const std::map<std::string, DnsProcess>& servers_;
  const std::string measured_;
};

// What one kind of cluster is measured with.
class Bench {
 public:
  Bench(const Settings& settings, size_t endpoints)
      : settings_(settings), endpoints_(endpoints), load_(settings.directory, kLoadCore) {}

  StatusOr<nlohmann::json> Run() {
    BERTH_RETURN_IF_ERROR(Prepare());
    nlohmann::json result;
    result["endpoints"] = endpoints_;
    BERTH_ASSIGN_OR_RETURN(result["resident_mib"]["started"], Memory("just started"));
    for (const auto& [kind, questions] : questions_) {
      BERTH_ASSIGN_OR_RETURN(result["queries"][kind], Queries(kind, questions));
    }
    BERTH_ASSIGN_OR_RETURN(result["resident_mib"]["after_load"], Memory("after the load"));
    kube::Cancellation().WaitFor(kReleaseInterval);
    BERTH_ASSIGN_OR_RETURN(result["resident_mib"]["later"], Memory("35 s later"));
    BERTH_ASSIGN_OR_RETURN(result["changes"], AllChanges());
    return result;
  }

 private:
  Status Prepare() {
    BERTH_ASSIGN_OR_RETURN(api_server_, kube::TestApiServer::Start());
    client_ = api_server_->Client();
    cluster_ = ClusterOfSize(endpoints_);
    BERTH_RETURN_IF_ERROR(CreateObjects(*client_, cluster_));
    std::vector<std::string> pods;
    std::vector<std::string> services;
    for (size_t i = 0; i < endpoints_; ++i) pods.push_back(PodName(i, endpoints_));
    for (size_t i = endpoints_ / 2; i < endpoints_; ++i) {
      services.push_back(ServiceOf(i, endpoints_) + ".default.svc.cluster.local");
    }
    std::mt19937 random(1);
    std::shuffle(pods.begin(), pods.end(), random);
    std::shuffle(services.begin(), services.end(), random);
    questions_ = {{"pod names", load_.WriteQuestions("pods", pods)},
                  {"service names", load_.WriteQuestions("services", services)}};
    return StartServers();
  }

  Status StartServers() {
    DnsProcess::Options options;
    options.kubeconfig = api_server_->kubeconfig();
    options.directory = settings_.directory;
    options.wrapper = {"taskset", "-c", std::to_string(kServerCore)};
    BERTH_ASSIGN_OR_RETURN(DnsProcess berth,
                           DnsProcess::StartBerth(settings_.berth_companion, options));
    servers_.emplace(kBerth, std::move(berth));
    BERTH_ASSIGN_OR_RETURN(DnsProcess uncached, DnsProcess::StartCoreDns(options));
    servers_.emplace(kUncached, std::move(uncached));
    options.cache_s = 30;
    BERTH_ASSIGN_OR_RETURN(DnsProcess cached, DnsProcess::StartCoreDns(options));
    servers_.emplace(kCached, std::move(cached));
    return absl::OkStatus();
  }

  StatusOr<nlohmann::json> Memory(const std::string& when) {
    nlohmann::json memory;
    for (const auto& [name, server] : servers_) {
      const double mib = ResidentMib(server.pid());
      memory[name] = mib;
      std::cout << fmt::format("{:6} endpoints  {:18} resident {:6.1f} MiB {}\n", endpoints_, name,
                               mib, when);
    }
    return memory;
  }

  StatusOr<nlohmann::json> Queries(const std::string& kind, const std::string& questions) {
    struct Seen {
      std::vector<double> rate, per_core, lost, server_cpu, generator_cpu, p50, p99;
    };
    std::map<std::string, Seen> figures;
    for (int round = 0; round < settings_.rounds; ++round) {
      for (const auto& [name, server] : servers_) {
        Seen& seen = figures[name];
        BERTH_ASSIGN_OR_RETURN(
            const Load::Rate rate,
            load_.MeasureRate(server.port(), server.pid(), questions, settings_.seconds));
        BERTH_ASSIGN_OR_RETURN(
            const Load::Latency latency,
            load_.MeasureLatency(server.port(), questions, kQueriesPerS, settings_.seconds));
        seen.rate.push_back(rate.queries_per_s);
        seen.per_core.push_back(rate.queries_per_s / rate.server_cpu);
        seen.lost.push_back(rate.lost_percent);
        seen.server_cpu.push_back(rate.server_cpu);
        seen.generator_cpu.push_back(rate.generator_cpu);
        seen.p50.push_back(latency.p50_us);
        seen.p99.push_back(latency.p99_us);
      }
    }
    nlohmann::json result;
    for (const auto& [name, seen] : figures) {
      result[name] = {{"queries_per_s", Median(seen.rate)},
                      {"queries_per_cpu_s", Median(seen.per_core)},
                      {"lost_percent", Median(seen.lost)},
                      {"server_cpu", Median(seen.server_cpu)},
                      {"generator_cpu", Median(seen.generator_cpu)},
                      {"p50_us", Median(seen.p50)},
                      {"p99_us", Median(seen.p99)},
                      {"least_p99_us", Percentile(seen.p99, 0)}};
      std::cout << fmt::format(
          "{:6} endpoints  {:18} {:14} {:8.0f}/s ({:.0f} % of its core, the load {:.0f} % of the "
          "other; {:.0f} per processor second), {:.2f} % lost; at {}/s p50 {:.0f} us, p99 {:.0f} "
          "us, in "
          "the least disturbed round {:.0f} us\n",
          endpoints_, name, kind, Median(seen.rate), 100 * Median(seen.server_cpu),
          100 * Median(seen.generator_cpu), Median(seen.per_core), Median(seen.lost), kQueriesPerS,
          Median(seen.p50), Median(seen.p99), Percentile(seen.p99, 0));
    }
    return result;
  }

  StatusOr<nlohmann::json> AllChanges() {
    TakeShortTurns();  // else it is measured how long this thread waits for the API server's turns
    EventWitness witness(*client_);
    BERTH_RETURN_IF_ERROR(witness.Start());
    Changes changes(*client_, witness, cluster_);
    std::map<std::string, std::map<std::string, ChangeDelays>> delays;
    for (int round = 0; round < settings_.rounds; ++round) {
      for (const char* name : {kBerth, kUncached}) {
        const DnsProcess& server = servers_.at(name);
        BERTH_RETURN_IF_ERROR(
            Measure(changes, name, server, kChanges, delays[name]["without load"]));
        BERTH_ASSIGN_OR_RETURN(ChildProcess load,
                               load_.StartEndless(server.port(), questions_.at("pod names")));
        const Status loaded =
            Measure(changes, name, server, kChanges, delays[name]["at full rate"]);
        load.Signal(SIGKILL).IgnoreError();
        load.Wait(absl::InfiniteFuture()).status().IgnoreError();
        BERTH_RETURN_IF_ERROR(loaded);
      }
    }
    BERTH_RETURN_IF_ERROR(Measure(changes, kCached, servers_.at(kCached), kChangesBehindCache,
                                  delays[kCached]["without load"]));
    nlohmann::json result;
    for (const auto& [name, loads] : delays) {
      for (const auto& [load, seen] : loads) {
        result[name][load]["changed"] = Figures(name, "names changed " + load, seen.changed);
        result[name][load]["created"] = Figures(name, "names created " + load, seen.created);
      }
    }
    return result;
  }

  Status Measure(Changes& changes, const std::string& name, const DnsProcess& server, size_t count,
                 ChangeDelays& delays) const {
    const OthersStopped others(servers_, name);
    // It was stopped itself, and has what it missed still before it.
    BERTH_RETURN_IF_ERROR(changes.Measure(kChangesToCatchUp, server.port()).status());
    BERTH_ASSIGN_OR_RETURN(const ChangeDelays more, changes.Measure(count, server.port()));
    delays.changed.insert(delays.changed.end(), more.changed.begin(), more.changed.end());
    delays.created.insert(delays.created.end(), more.created.begin(), more.created.end());
    return absl::OkStatus();
  }

  nlohmann::json Figures(const std::string& name, const std::string& what,
                         const std::vector<ChangeDelay>& delays) const {
    nlohmann::json result = {{"count", delays.size()},
                             {"after_reply", Percentiles(delays, &ChangeDelay::after_reply_ms)},
                             {"after_event", Percentiles(delays, &ChangeDelay::after_event_ms)}};
    for (const char* since : {"after_reply", "after_event"}) {
      const nlohmann::json& ms = result[since];
      std::cout << fmt::format(
          "{:6} endpoints  {:18} {} {}: new answer {} p50 {:.2f} ms, p90 {:.2f} ms, p99 {:.2f} ms, "
          "at most {:.2f} ms\n",
          endpoints_, name, delays.size(), what, since, ms["p50_ms"].get<double>(),
          ms["p90_ms"].get<double>(), ms["p99_ms"].get<double>(), ms["max_ms"].get<double>());
    }
    return result;
  }

  const Settings settings_;
  const size_t endpoints_;
  const Load load_;
  std::unique_ptr<kube::TestApiServer> api_server_;
  std::unique_ptr<kube::ApiClient> client_;
  GeneratedCluster cluster_;
  std::map<std::string, std::string> questions_;
  std::map<std::string, DnsProcess> servers_;
};

int Main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: dns-bench BERTH_COMPANION DIRECTORY OUT\n";
    return 2;
  }
  const Settings settings = {argv[1], argv[2], FromEnvironment("BERTH_BENCH_ROUNDS", 3),
                             FromEnvironment("BERTH_BENCH_SECONDS", 5)};
  nlohmann::json results = nlohmann::json::array();
  for (const size_t endpoints : {200, 10'000}) {
    Bench bench(settings, endpoints);
    const StatusOr<nlohmann::json> result = bench.Run();
    if (!result.ok()) {
      std::cerr << result.status() << "\n";
      return 1;
    }
    results.push_back(*result);
  }
  std::ofstream(argv[3]) << results.dump(1) << "\n";
  return 0;
}

}  // namespace
}  // namespace berth::dns

int main(int argc, char** argv) { return berth::dns::Main(argc, argv); }
