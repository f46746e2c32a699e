// Answer by answer beside CoreDNS, over one kube-apiserver with objects by seed. Whatever is not
// the same must be in allowed-differences.txt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "companion/dns/server.h"
#include "companion/dns/testing/dns_message.h"
#include "companion/dns/testing/unused_address.h"
#include "companion/dns/testing/upstream.h"
#include "kube/cancellation.h"
#include "kube/testing/api_server.h"
#include "sanity-tests/dns/allowed_differences.h"
#include "sanity-tests/dns/dns_process.h"
#include "sanity-tests/dns/generated_cluster.h"
#include "sanity-tests/dns/questions.h"

namespace berth::dns {
namespace {

// One that shows every allowed difference; BERTH_DNS_SEED takes another.
constexpr uint32_t kSeed = 1;

const std::map<std::string, uint16_t>& Types() {
  static const std::map<std::string, uint16_t> kTypes = {
      {"A", type::kA},     {"AAAA", type::kAaaa}, {"SRV", type::kSrv}, {"PTR", type::kPtr},
      {"TXT", type::kTxt}, {"SOA", type::kSoa},   {"NS", type::kNs},   {"CNAME", type::kCname},
      {"MX", type::kMx},   {"ANY", type::kAny}};
  return kTypes;
}

std::string Upstream(const std::string& query, bool /*tcp*/) {
  const std::string question = ParseAnswer(query).question;
  if (question == "www.example.com. IN A") {
    return MakeUpstreamAnswer(query, {"www.example.com. 5 IN A 192.0.2.53"});
  }
  return MakeUpstreamAnswer(query, {}, question.starts_with("www.") ? 0 : 3);
}

// See Difference.
std::string ShapeOf(const ParsedAnswer& answer) {
  static const std::map<int, std::string> kRcodes = {{0, "NODATA"},   {1, "FORMERR"},
                                                     {2, "SERVFAIL"}, {3, "NXDOMAIN"},
                                                     {4, "NOTIMP"},   {5, "REFUSED"}};
  if (!answer.valid) return "nothing";
  std::set<std::string> types;
  if (answer.rcode != 0) types.insert(kRcodes.at(answer.rcode));
  for (const std::string& record : answer.answers) {
    types.insert(std::vector<std::string>(absl::StrSplit(record, ' '))[3]);
  }
  return types.empty() ? "NODATA" : absl::StrJoin(types, "+");
}

// A record without what may differ: SRV's weight (CoreDNS divides 100 among the targets), the
// letter case of its data (CoreDNS repeats the question's in names of the zone), and the time to
// live of what came from upstream.
std::string Comparable(const std::string& record) {
  std::vector<std::string> words = absl::StrSplit(record, ' ');
  if (!absl::AsciiStrToLower(words[0]).ends_with("cluster.local.") && words[3] != "PTR") {
    words[1] = "*";
  }
  for (size_t i = 4; i < words.size(); ++i) words[i] = absl::AsciiStrToLower(words[i]);
  if (words[3] == "SRV") words[5] = "*";
  return absl::StrJoin(words, " ");
}

bool Same(const ParsedAnswer& a, const ParsedAnswer& b) {
  const auto comparable = [](const ParsedAnswer& answer) {
    std::multiset<std::string> records;
    for (const std::string& record : answer.answers) records.insert(Comparable(record));
    return records;
  };
  return ShapeOf(a) == ShapeOf(b) && comparable(a) == comparable(b);
}

class ComparisonTest : public ::testing::Test {
 protected:
  static uint32_t Seed() {
    const char* seed = std::getenv("BERTH_DNS_SEED");
    return seed == nullptr ? kSeed : static_cast<uint32_t>(std::strtoul(seed, nullptr, 10));
  }
  void SetUp() override {
    auto api_server = kube::TestApiServer::Start();
    ASSERT_TRUE(api_server.ok()) << api_server.status();
    api_server_ = *std::move(api_server);
    cluster_ = GeneratedCluster::FromSeed(Seed());
    const Status created = CreateObjects(*api_server_->Client(), cluster_);
    ASSERT_TRUE(created.ok()) << created;
    StartCoreDns();
    StartBerth();
  }
  void StartCoreDns() {
    auto core_dns = DnsProcess::StartCoreDns({.kubeconfig = api_server_->kubeconfig(),
                                              .directory = api_server_->directory(),
                                              .upstreams = {upstream_.address()}});
    ASSERT_TRUE(core_dns.ok()) << core_dns.status();
    core_dns_.emplace(*std::move(core_dns));
  }
  void StartBerth() {
    client_ = api_server_->Client();
    Server::Options options;
    options.addresses = {UnusedAddress()};
    options.authority = {*NameFromText("cluster.local"),
                         *NameFromText("kube-dns.kube-system.svc.cluster.local"),
                         {}};
    options.upstreams = {upstream_.address()};
    auto server = Server::Start(*client_, clock_, std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const kube::Cancellation never;
    for (const absl::Time end = absl::Now() + absl::Seconds(30);
         !server_->Ready().ok() && absl::Now() < end;) {
      never.WaitFor(absl::Milliseconds(5));
    }
    ASSERT_TRUE(server_->Ready().ok());
  }
  uint16_t berth_port() const { return server_->addresses()[0].port; }

  const RealClock clock_;
  std::unique_ptr<kube::TestApiServer> api_server_;
  GeneratedCluster cluster_;
  TestUpstream upstream_{Upstream};
  std::unique_ptr<kube::ApiClient> client_;
  std::optional<DnsProcess> core_dns_;
  std::unique_ptr<Server> server_;
};

TEST_F(ComparisonTest, EveryNameAndType) {
  StatusOr<AllowedDifferences> allowed = AllowedDifferences::Read(ALLOWED_DIFFERENCES);
  ASSERT_TRUE(allowed.ok()) << allowed.status();
  size_t asked = 0;
  size_t same = 0;
  for (const std::string& name : QuestionNames(cluster_)) {
    for (const auto& [type_name, number] : Types()) {
      const std::string query = MakeQuery(name, number);
      const ParsedAnswer theirs = ParseAnswer(AskTcp(core_dns_->port(), query));
      const ParsedAnswer ours = ParseAnswer(AskTcp(berth_port(), query));
      ++asked;
      if (Same(theirs, ours)) {
        ++same;
        continue;
      }
      const Difference difference{name, type_name, ShapeOf(theirs), ShapeOf(ours)};
      EXPECT_TRUE(allowed->Allows(difference))
          << fmt::format("{} {}\n  CoreDNS: {}\n    {}\n  Berth: {}\n    {}", name, type_name,
                         difference.core_dns, absl::StrJoin(theirs.answers, "\n    "),
                         difference.berth, absl::StrJoin(ours.answers, "\n    "));
    }
  }
  std::cout << fmt::format("{} questions, {} answers the same; allowed differences:\n", asked,
                           same);
  for (const AllowedDifferences::Use& use : allowed->uses()) {
    std::cout << fmt::format("{:6} {}\n", use.count, use.line);
    const bool stale = use.count == 0 && Seed() == kSeed;
    EXPECT_FALSE(stale) << "no such difference any more: " << use.line;
  }
}

// What a datagram cannot hold is marked, by both for the same questions.
TEST_F(ComparisonTest, Truncation) {
  size_t truncated = 0;
  for (const std::string& name : QuestionNames(cluster_)) {
    for (const uint16_t edns_udp_bytes : {0, 1232}) {
      for (const uint16_t number : {type::kA, type::kAaaa}) {
        const std::string query = MakeQuery(name, number, {.edns_udp_bytes = edns_udp_bytes});
        const ParsedAnswer theirs = ParseAnswer(AskUdp(core_dns_->port(), query));
        const ParsedAnswer ours = ParseAnswer(AskUdp(berth_port(), query));
        // What both answer; the other test is about the rest.
        if (ShapeOf(theirs) != ShapeOf(ours)) continue;
        EXPECT_EQ(theirs.truncated, ours.truncated) << name << " in " << edns_udp_bytes;
        EXPECT_EQ(theirs.edns, ours.edns) << name;
        truncated += ours.truncated ? 1 : 0;
      }
    }
  }
  EXPECT_GT(truncated, 0u) << "there is a name with that many addresses";
}

}  // namespace
}  // namespace berth::dns
