#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>

#include "base/clock.h"
#include "companion/dns/catalog.h"
#include "companion/dns/responder.h"
#include "companion/dns/service_records.h"
#include "companion/dns/testing/dns_message.h"
#include "companion/dns/testing/objects.h"

namespace berth::dns {

// A zone cluster.local and what answers from it, without sockets and without an API server.
class ResponderTest : public ::testing::Test {
 protected:
  ResponderTest() { zone_.Apply({}, ApexRecords(options_.authority.cluster_zone, NameServer())); }

  static Name Zone() { return *NameFromText("cluster.local"); }
  static Name NameServer() { return *NameFromText("kube-dns.kube-system.svc.cluster.local"); }

  Responder::Reply Respond(const std::string& packet, const std::string& client = "10.1.2.3",
                           Transport transport = Transport::kUdp) {
    const Responder responder(zone_, synced_, limiter_, probe_, options_);
    const Responder::Reply reply = responder.Respond(
        {packet, *IpAddress::Parse(client), transport, rotation_++}, query_, out_);
    message_.assign(out_.data(), reply.size);
    return reply;
  }
  // A query that has an answer.
  ParsedAnswer Ask(const std::string& name, uint16_t type, const QueryOptions& options = {},
                   Transport transport = Transport::kUdp) {
    const Responder::Reply reply = Respond(MakeQuery(name, type, options), "10.1.2.3", transport);
    EXPECT_EQ(reply.kind, Responder::Reply::Kind::kAnswer);
    ParsedAnswer answer = ParseAnswer(message_);
    EXPECT_TRUE(answer.valid);
    return answer;
  }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::atomic<bool> synced_ = true;
  Responder::Options options_ = {{Zone(), NameServer(), {}}, PrivateNetworks(), false};
  berth::dns::Zone zone_{1'700'000'000};
  Catalog catalog_{zone_, Zone()};
  CatalogWriter writer_{catalog_};
  RateLimiter limiter_{10, clock_};
  LoopProbe probe_{0x1234};
  size_t rotation_ = 0;
  Query query_;
  std::array<char, kMaxTcpPayloadBytes> out_;
  std::string message_;  // the last answer
};

}  // namespace berth::dns
