#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "companion/dns/server.h"

namespace berth::dns {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array<const char*, 17> kRcodeNames = {
    "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
    "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE", "11",
    "12",       "13",      "14",       "15",       "BADVERS"};

using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  // Adds to the family `name`; the first call for it says what it is.
  void Counter(const std::string& name, const std::string& help, uint64_t value,
               Labels labels = {}) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    Add(name, help, MetricType::Counter, std::move(metric), std::move(labels));
  }
  void Gauge(const std::string& name, const std::string& help, double value) {
    ClientMetric metric;
    metric.gauge.value = value;
    Add(name, help, MetricType::Gauge, std::move(metric), {});
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  void Add(const std::string& name, const std::string& help, MetricType type, ClientMetric metric,
           Labels labels) {
    metric.label = std::move(labels);
    for (MetricFamily& family : families_) {
      if (family.name != name) continue;
      family.metric.push_back(std::move(metric));
      return;
    }
    families_.push_back({name, help, type, {std::move(metric)}});
  }
  std::vector<MetricFamily> families_;
};

// The workers of one transport together.
struct Sum {
  uint64_t queries = 0;
  std::array<uint64_t, 17> answers = {};
  uint64_t ignored = 0;
  uint64_t rate_limited = 0;
  uint64_t send_errors = 0;
};

Sum SumOf(const Server::Figures& figures, const std::string& transport) {
  Sum sum;
  for (const auto& [name, counters] : figures.workers) {
    if (name != transport) continue;
    sum.queries += counters->queries;
    for (size_t i = 0; i < sum.answers.size(); ++i) sum.answers[i] += counters->answers[i];
    sum.ignored += counters->ignored;
    sum.rate_limited += counters->rate_limited;
    sum.send_errors += counters->send_errors;
  }
  return sum;
}

void AddTransport(const Server::Figures& figures, const std::string& transport,
                  Families& families) {
  const Sum sum = SumOf(figures, transport);
  const Labels labels = {{"transport", transport}};
  families.Counter("berth_dns_queries_total", "Packets that came.", sum.queries, labels);
  for (size_t i = 0; i < sum.answers.size(); ++i) {
    if (sum.answers[i] == 0 && i != 0) continue;
    families.Counter("berth_dns_answers_total", "Answers sent.", sum.answers[i],
                     {{"transport", transport}, {"rcode", kRcodeNames[i]}});
  }
  families.Counter("berth_dns_ignored_total", "Packets that were no queries and got no answer.",
                   sum.ignored, labels);
  families.Counter("berth_dns_send_errors_total", "Answers that could not be sent.",
                   sum.send_errors, labels);
  if (transport == "tcp") return;
  families.Counter("berth_dns_rate_limited_total",
                   "Answers dropped or truncated because their client's prefix had too many.",
                   sum.rate_limited);
}

class ServerMetrics final : public prometheus::Collectable {
 public:
  explicit ServerMetrics(Server& server) : server_(server) {}

  std::vector<MetricFamily> Collect() const override {
    const Server::Figures figures = server_.figures();
    Families families;
    AddTransport(figures, "udp", families);
    AddTransport(figures, "tcp", families);
    families.Gauge("berth_dns_tcp_connections", "Open TCP connections.",
                   static_cast<double>(figures.tcp_connections));
    families.Gauge("berth_dns_names", "Names that exist, those without records included.",
                   static_cast<double>(figures.names));
    families.Gauge("berth_dns_zone_serial", "Serial of the SOA record: grows with each change.",
                   figures.serial);
    families.Gauge("berth_dns_services", "Services known.",
                   static_cast<double>(figures.catalog.services));
    families.Gauge("berth_dns_endpoint_slices", "EndpointSlices known.",
                   static_cast<double>(figures.catalog.slices));
    families.Gauge("berth_dns_endpoints", "Endpoints in these, ready or not.",
                   static_cast<double>(figures.catalog.endpoints));
    families.Gauge("berth_dns_synced", "1 once all Services and EndpointSlices were seen.",
                   figures.synced ? 1 : 0);
    families.Counter("berth_dns_api_errors_total", "Lists and watches that failed.",
                     figures.api_errors);
    families.Gauge("berth_dns_api_failing_seconds",
                   "For how long the API server has failed us; answers may be as old. 0: not.",
                   absl::ToDoubleSeconds(figures.api_failing_for));
    families.Gauge("berth_dns_forwarding_loop",
                   "1 when our own probe came back from upstream: nothing is forwarded.",
                   figures.looped ? 1 : 0);
    families.Counter("berth_dns_forwarded_total", "Questions asked upstream or of its cache.",
                     figures.forwarded);
    families.Counter("berth_dns_forward_failures_total", "Of these, answered with SERVFAIL.",
                     figures.forward_failures);
    families.Counter("berth_dns_forwards_refused_total",
                     "Questions not asked because too many waited already.",
                     figures.forwards_refused);
    families.Gauge("berth_dns_forwards_in_flight", "Questions that wait for upstream.",
                   static_cast<double>(figures.forwards_in_flight));
    return families.Take();
  }

 private:
  Server& server_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MetricsOf(Server& server) {
  return std::make_shared<ServerMetrics>(server);
}

}  // namespace berth::dns
