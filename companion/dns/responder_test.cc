#include "companion/dns/responder.h"

#include <gmock/gmock.h>

#include <map>

#include "companion/dns/testing/responder_fixture.h"

namespace berth::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = Responder::Reply::Kind;

constexpr char kSoaStart[] = "cluster.local. 5 IN SOA kube-dns.kube-system.svc.cluster.local. ";

TEST_F(ResponderTest, ANameWithoutThatTypeOrWithNamesBelowItIsNoData) {
  writer_.Set(MakeService("web", {"10.0.0.1"}, {{"http", "TCP", 80}}));
  for (const char* name : {"web.default.svc.cluster.local", "_tcp.web.default.svc.cluster.local",
                           "default.svc.cluster.local", "svc.cluster.local", "cluster.local"}) {
    const ParsedAnswer answer = Ask(name, type::kAaaa);
    EXPECT_EQ(answer.rcode, 0) << name;
    EXPECT_THAT(answer.answers, IsEmpty());
    ASSERT_THAT(answer.authorities, SizeIs(1));
    EXPECT_THAT(answer.authorities[0], ::testing::StartsWith(kSoaStart));
    EXPECT_THAT(answer.authorities[0], ::testing::EndsWith(" 5")) << "the negative TTL";
  }
}

TEST_F(ResponderTest, ANameThatDoesNotExistIsNxDomainWithTheSoa) {
  const ParsedAnswer answer = Ask("nobody.default.svc.cluster.local", type::kA);
  EXPECT_EQ(answer.rcode, 3);
  EXPECT_TRUE(answer.authoritative);
  EXPECT_THAT(answer.authorities, ElementsAre(::testing::StartsWith(kSoaStart)));
}

TEST_F(ResponderTest, TheApexHasSoaAndNameServer) {
  EXPECT_THAT(Ask("cluster.local", type::kNs).answers,
              ElementsAre("cluster.local. 5 IN NS kube-dns.kube-system.svc.cluster.local."));
  const ParsedAnswer before = Ask("cluster.local", type::kSoa);
  ASSERT_THAT(before.answers, SizeIs(1));
  writer_.Set(MakeService("web", {"10.0.0.1"}));
  EXPECT_NE(Ask("cluster.local", type::kSoa).answers, before.answers) << "the serial grows";
}

TEST_F(ResponderTest, BeforeSyncEverythingOfOursIsServfail) {
  writer_.Set(MakeService("web", {"10.0.0.1"}));
  synced_ = false;
  for (const char* name : {"web.default.svc.cluster.local", "nobody.default.svc.cluster.local",
                           "cluster.local", "1.0.0.10.in-addr.arpa"}) {
    EXPECT_EQ(Ask(name, type::kA).rcode, 2) << name;
  }
}

TEST_F(ResponderTest, AnswersRepeatIdAndQuestion) {
  const ParsedAnswer answer = Ask("NoBody.Cluster.Local", type::kMx, {.id = 77});
  EXPECT_EQ(answer.id, 77);
  EXPECT_EQ(answer.question, "NoBody.Cluster.Local. IN MX");
  EXPECT_FALSE(answer.edns);
}

// Each comes first about as often as another, however questions of other types come in between.
TEST_F(ResponderTest, AddressesTakeTurns) {
  writer_.Set(MakeHeadless("db"));
  writer_.Set(MakeSlice("s", "db", {{"10.0.0.1"}, {"10.0.0.2"}}));
  for (int between = 0; between < 4; ++between) {
    std::map<std::string, int> first;
    for (int i = 0; i < 100; ++i) {
      Respond(MakeQuery("db.default.svc.cluster.local", type::kA));
      ++first[message_.substr(message_.size() - 2 * 16 + 12, 4)];
      for (int k = 0; k < between; ++k) Ask("db.default.svc.cluster.local", type::kAaaa);
    }
    EXPECT_THAT(first,
                ElementsAre(::testing::Pair(std::string("\x0a\0\0\1", 4), ::testing::Gt(35)),
                            ::testing::Pair(std::string("\x0a\0\0\2", 4), ::testing::Gt(35))))
        << between;
  }
}

TEST_F(ResponderTest, TooManyRecordsAreCutWholeAndMarked) {
  writer_.Set(MakeHeadless("db"));
  std::vector<EndpointSpec> endpoints;
  for (int i = 0; i < 200; ++i) endpoints.push_back({"10.0.1." + std::to_string(i)});
  writer_.Set(MakeSlice("s", "db", endpoints, {{"sql", "TCP", 5432}}));
  const std::string name = "db.default.svc.cluster.local";
  for (const uint16_t size : {0, 512, 1232, 4096}) {
    const ParsedAnswer answer = Ask(name, type::kA, {.edns_udp_bytes = size});
    const size_t limit = std::clamp<size_t>(size, 512, kMaxUdpPayloadBytes);
    EXPECT_TRUE(answer.truncated);
    EXPECT_EQ(answer.edns, size != 0);
    EXPECT_LE(message_.size(), limit);
    EXPECT_GT(message_.size(), limit - 16) << "as many as fit";
  }
  EXPECT_TRUE(Ask("_sql._tcp." + name, type::kSrv).truncated);
  const ParsedAnswer whole = Ask(name, type::kA, {}, Transport::kTcp);
  EXPECT_FALSE(whole.truncated);
  EXPECT_THAT(whole.answers, SizeIs(200));
  EXPECT_THAT(Ask("_sql._tcp." + name, type::kSrv, {}, Transport::kTcp).answers, SizeIs(200));
}

TEST_F(ResponderTest, AnyIsAnsweredMinimally) {
  writer_.Set(MakeService("web", {"10.0.0.1"}));
  EXPECT_THAT(Ask("web.default.svc.cluster.local", type::kAny).answers,
              ElementsAre("web.default.svc.cluster.local. 5 IN HINFO \"RFC8482\" \"\""));
  EXPECT_EQ(Ask("nobody.default.svc.cluster.local", type::kAny).rcode, 3);
}

TEST_F(ResponderTest, EdnsIsAnsweredAndAnUnknownVersionRefused) {
  std::string query = MakeQuery("cluster.local", type::kSoa, {.edns_udp_bytes = 1232});
  query[query.size() - kOptBytes + 6] = 1;  // the version
  ASSERT_EQ(Respond(query).rcode, Rcode::kBadVers);
  const std::string opt = message_.substr(message_.size() - kOptBytes);
  EXPECT_EQ(opt[5], 1) << "BADVERS is 16, of which OPT has the upper bits";
  EXPECT_EQ(opt[6], 0) << "the version that we know";
}

TEST_F(ResponderTest, WhatIsNoQueryGetsNoAnswerAndWhatIsNoneOfOursIsRefused) {
  std::string query = MakeQuery("cluster.local", type::kSoa);
  EXPECT_EQ(Respond(query.substr(0, 11)).kind, Kind::kDrop);
  std::string answer = query;
  answer[2] = static_cast<char>(answer[2] | 0x80);
  EXPECT_EQ(Respond(answer).kind, Kind::kDrop) << "answering answers makes loops";
  std::string notify = query;
  notify[2] = static_cast<char>(notify[2] | 4 << 3);
  EXPECT_EQ(Respond(notify).rcode, Rcode::kNotImp);
  EXPECT_EQ(Respond(query.substr(0, query.size() - 1)).rcode, Rcode::kFormErr);
  std::string two = query;
  two[5] = 2;
  EXPECT_EQ(Respond(two).rcode, Rcode::kFormErr);
  std::string pointer = query;
  pointer[12] = static_cast<char>(0xc0);
  EXPECT_EQ(Respond(pointer).rcode, Rcode::kFormErr);
  std::string chaos = query;
  chaos[chaos.size() - 1] = 3;
  EXPECT_EQ(Respond(chaos).rcode, Rcode::kRefused);
  EXPECT_EQ(Respond(MakeQuery("cluster.local", type::kAxfr)).rcode, Rcode::kRefused);
}

TEST_F(ResponderTest, OtherNamesAreForwardedForOurClientsAlone) {
  const std::string query = MakeQuery("www.example.com", type::kA);
  EXPECT_EQ(Respond(query).rcode, Rcode::kRefused) << "without upstream";
  options_.forwards = true;
  const Responder::Reply reply = Respond(query);
  EXPECT_EQ(reply.kind, Kind::kForward);
  EXPECT_EQ(NameToText(reply.upstream_name), "www.example.com");
  EXPECT_EQ(Respond(query, "192.0.2.1").rcode, Rcode::kRefused) << "no open recursion";
  EXPECT_EQ(Respond(query, "2001:db8::1").rcode, Rcode::kRefused);
  EXPECT_EQ(Respond(query, "fd00::1").kind, Kind::kForward);
  EXPECT_EQ(Respond(query, "::ffff:10.0.0.1").kind, Kind::kForward);
  EXPECT_EQ(Respond(MakeQuery("www.example.com", type::kA, {.recursion_desired = false})).rcode,
            Rcode::kRefused);
  EXPECT_EQ(Respond(MakeQuery("xcluster.local", type::kA)).kind, Kind::kForward)
      << "ends like the zone, and is not in it";
}

TEST_F(ResponderTest, OurProbeThatComesBackEndsForwarding) {
  options_.forwards = true;
  EXPECT_EQ(Respond(MakeQuery(NameToText(probe_.name()), type::kA)).rcode, Rcode::kServFail);
  EXPECT_TRUE(probe_.looped());
  EXPECT_EQ(Respond(MakeQuery("www.example.com", type::kA)).rcode, Rcode::kServFail);
  EXPECT_EQ(Ask("cluster.local", type::kSoa).rcode, 0) << "our own names stay";
}

TEST_F(ResponderTest, ReverseNamesAreOursInTheirNetworksOnly) {
  options_.forwards = true;
  options_.authority.reverse_networks = {*IpNetwork::Parse("10.96.0.0/12"),
                                         *IpNetwork::Parse("fd00:10::/44")};
  writer_.Set(MakeService("web", {"10.97.0.1"}));
  writer_.Set(MakeService("far", {"172.16.0.1"}));
  EXPECT_THAT(Ask("1.0.97.10.in-addr.arpa", type::kPtr).answers, SizeIs(1));
  const ParsedAnswer unknown = Ask("2.0.97.10.in-addr.arpa", type::kPtr);
  EXPECT_EQ(unknown.rcode, 3);
  EXPECT_THAT(unknown.authorities,
              ElementsAre(::testing::StartsWith("97.10.in-addr.arpa. 5 IN SOA")));
  EXPECT_EQ(Ask("0.97.10.in-addr.arpa", type::kPtr).rcode, 0) << "has names below it";
  EXPECT_THAT(Ask("97.10.in-addr.arpa", type::kSoa).answers, SizeIs(1));
  EXPECT_EQ(Ask("100.10.in-addr.arpa", type::kPtr).rcode, 0) << "a zone without records";
  EXPECT_THAT(Ask("1.0.16.172.in-addr.arpa", type::kPtr).answers, SizeIs(1));
  for (const char* name : {"2.0.16.172.in-addr.arpa", "10.in-addr.arpa", "1.0.1.10.in-addr.arpa",
                           "x.0.96.10.in-addr.arpa", "in-addr.arpa"}) {
    EXPECT_EQ(Respond(MakeQuery(name, type::kPtr)).kind, Kind::kForward) << name;
  }
}

TEST_F(ResponderTest, StrangersAreLimitedAndOurClientsAreNot) {
  const std::string query = MakeQuery("cluster.local", type::kSoa);
  int answered = 0;
  int truncated = 0;
  int dropped = 0;
  for (int i = 0; i < 30; ++i) {
    const Responder::Reply reply = Respond(query, "192.0.2." + std::to_string(i));
    if (reply.kind == Kind::kDrop) {
      ++dropped;
    } else if (ParseAnswer(message_).truncated) {
      EXPECT_THAT(ParseAnswer(message_).answers, IsEmpty());
      ++truncated;
    } else {
      ++answered;
    }
  }
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(truncated, 10);
  EXPECT_EQ(dropped, 10);
  EXPECT_FALSE(Respond(query, "192.0.2.1", Transport::kTcp).rate_limited) << "a real client";
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(Respond(query, "10.0.0.1").rate_limited);
  clock_.Advance(absl::Milliseconds(500));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Respond(query, "192.0.2.1").rate_limited);
  EXPECT_TRUE(Respond(query, "192.0.2.1").rate_limited);
}

TEST(RateLimiterTest, ZeroLimitsNothing) {
  const FakeClock clock(absl::UnixEpoch());
  RateLimiter limiter(0, clock);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(limiter.Count(*IpAddress::Parse("192.0.2.1")), RateLimiter::Verdict::kAnswer);
  }
}

TEST(NameTest, TextAndWire) {
  EXPECT_EQ(*NameFromText("Web.Default."), std::string("\3web\7default\0", 13));
  EXPECT_EQ(NameToText(*NameFromText("a\\.b.c")), "a\\046b.c");
  EXPECT_FALSE(NameFromText("").ok());
  EXPECT_FALSE(NameFromText("a..b").ok());
  EXPECT_FALSE(NameFromText(std::string(64, 'a')).ok());
  EXPECT_FALSE(Child(std::string(64, 'a'), *NameFromText("b")));
  EXPECT_FALSE(Child("", *NameFromText("b")));
  EXPECT_FALSE(IsWithin(*NameFromText("xb.c"), *NameFromText("b.c")));
  EXPECT_TRUE(IsWithin(*NameFromText("b.c"), *NameFromText("b.c")));
}

TEST(AddressTest, TextForms) {
  EXPECT_EQ(SocketAddress::Parse("127.0.0.1:53")->Text(), "127.0.0.1:53");
  EXPECT_EQ(SocketAddress::Parse("[::1]:53")->Text(), "[::1]:53");
  EXPECT_EQ(SocketAddress::Parse("fd00::1", 53)->Text(), "[fd00::1]:53");
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "[::1", "x:53"}) {
    EXPECT_FALSE(SocketAddress::Parse(text).ok()) << text;
  }
  for (const char* text : {"10.0.0.0", "10.0.0.0/33", "::/129", "x/8"}) {
    EXPECT_FALSE(IpNetwork::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace berth::dns
