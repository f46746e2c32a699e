// The forwarder against a DNS server of the test's own, on loopback.
#include "companion/dns/forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>

#include "companion/dns/message_writer.h"
#include "companion/dns/testing/dns_message.h"
#include "companion/dns/testing/upstream.h"

namespace berth::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ForwarderTest : public ::testing::Test {
 protected:
  // The loop probe, which may come at any moment, is answered here and counts in `asked_` no more
  // than it does in an answer.
  void Start(TestUpstream::Answer answer) {
    upstream_ = std::make_unique<TestUpstream>(
        [this, answer = std::move(answer)](const std::string& query, bool tcp) -> std::string {
          Query parsed;
          if (!ParseQuery(query, parsed)) return "";
          if (parsed.name() == probe_.name()) return MakeUpstreamAnswer(query, {}, 3);
          ++asked_;
          return answer(query, tcp);
        });
    options_.upstreams = {upstream_->address()};
    StatusOr<std::unique_ptr<Forwarder>> started = Forwarder::Start(options_, probe_);
    ASSERT_TRUE(started.ok()) << started.status();
    forwarder_ = *std::move(started);
  }

  std::future<UpstreamReply> Submit(const std::string& name, uint16_t type,
                                    const QueryOptions& options = {}, size_t limit = 512) {
    const std::string packet = MakeQuery(name, type, options);
    Query query;
    EXPECT_TRUE(ParseQuery(packet, query));
    std::array<char, 1232> out;
    MessageWriter writer(query, out);
    const size_t size = writer.Finish(Rcode::kNoError, flag::kRecursionAvailable);
    auto promise = std::make_shared<std::promise<UpstreamReply>>();
    forwarder_->Submit({std::string(out.data(), size), Name(query.name()), type, options.dnssec_ok,
                        limit,
                        [promise](UpstreamReply reply) { promise->set_value(std::move(reply)); }});
    return promise->get_future();
  }
  ParsedAnswer Ask(const std::string& name, uint16_t type, const QueryOptions& options = {},
                   size_t limit = 512) {
    const UpstreamReply reply = Submit(name, type, options, limit).get();
    EXPECT_LE(reply.message.size(), limit);
    ParsedAnswer answer = ParseAnswer(reply.message);
    EXPECT_TRUE(answer.valid);
    EXPECT_EQ(answer.rcode, static_cast<int>(reply.rcode));
    return answer;
  }

  LoopProbe probe_{7};
  Forwarder::Options options_;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<TestUpstream> upstream_;
  std::unique_ptr<Forwarder> forwarder_;
};

TEST_F(ForwarderTest, AnAnswerKeepsTheClientsIdAndCase) {
  Start([](const std::string& query, bool) {
    return MakeUpstreamAnswer(query, {"www.example.com. 60 IN A 192.0.2.53"});
  });
  const ParsedAnswer answer = Ask("WWW.example.COM", type::kA, {.id = 99});
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_EQ(answer.id, 99);
  EXPECT_TRUE(answer.recursion_available);
  EXPECT_FALSE(answer.authoritative);
  EXPECT_FALSE(answer.edns) << "the client did not ask with EDNS";
  EXPECT_EQ(answer.question, "WWW.example.COM. IN A");
  ASSERT_THAT(answer.answers, SizeIs(1));
  EXPECT_THAT(answer.answers[0], ::testing::EndsWith(" IN A 192.0.2.53"));
  EXPECT_TRUE(Ask("WWW.example.COM", type::kA, {.edns_udp_bytes = 1232}, 1232).edns);
}

TEST_F(ForwarderTest, AnswersAreKept) {
  Start([](const std::string& query, bool) {
    return MakeUpstreamAnswer(query, {"www.example.com. 60 IN A 192.0.2.53"});
  });
  Ask("www.example.com", type::kA);
  Ask("www.example.com", type::kA);
  EXPECT_EQ(asked_, 1);
}

TEST_F(ForwarderTest, NxDomainStaysNxDomain) {
  Start([](const std::string& query, bool) { return MakeUpstreamAnswer(query, {}, 3); });
  EXPECT_EQ(Ask("nobody.example.com", type::kA).rcode, 3);
}

TEST_F(ForwarderTest, ATruncatedAnswerIsFetchedByTcpAndCutForTheClient) {
  std::vector<std::string> records;
  for (int i = 0; i < 60; ++i) {
    records.push_back("big.example.com. 60 IN A 192.0.2." + std::to_string(i));
  }
  Start([records](const std::string& query, bool tcp) {
    return MakeUpstreamAnswer(query, tcp ? records : std::vector<std::string>(), 0, !tcp);
  });
  const ParsedAnswer whole = Ask("big.example.com", type::kA, {}, kMaxTcpPayloadBytes);
  EXPECT_THAT(whole.answers, SizeIs(60));
  EXPECT_FALSE(whole.truncated);
  const ParsedAnswer cut = Ask("big.example.com", type::kA, {}, 512);
  EXPECT_TRUE(cut.truncated);
  EXPECT_THAT(cut.answers, ::testing::Not(IsEmpty()));
}

TEST_F(ForwarderTest, SilenceIsServfailAtTheDeadline) {
  options_.timeout = absl::Milliseconds(300);
  Start([](const std::string&, bool) { return ""; });
  EXPECT_EQ(Ask("slow.example.com", type::kA).rcode, 2);
  EXPECT_EQ(forwarder_->in_flight(), 0u);
  EXPECT_EQ(forwarder_->failed(), 1u);
}

TEST_F(ForwarderTest, WhatIsTooManyIsServfailAtOnce) {
  options_.max_in_flight = 2;
  Start([](const std::string&, bool) { return ""; });
  const auto first = Submit("a.example.com", type::kA);
  const auto second = Submit("b.example.com", type::kA);
  EXPECT_EQ(Ask("c.example.com", type::kA).rcode, 2);
  EXPECT_EQ(forwarder_->refused_as_full(), 1u);
  EXPECT_EQ(forwarder_->in_flight(), 2u);
}

TEST_F(ForwarderTest, WhatWaitsAtTheEndGetsServfail) {
  Start([](const std::string&, bool) { return ""; });
  std::future<UpstreamReply> waiting = Submit("a.example.com", type::kA);
  forwarder_.reset();
  EXPECT_EQ(waiting.get().rcode, Rcode::kServFail);
}

TEST_F(ForwarderTest, ReverseNamesOfPrivateAddressesAreUpstreamsToAnswer) {
  Start([](const std::string& query, bool) {
    return MakeUpstreamAnswer(query, {"1.0.0.10.in-addr.arpa. 60 IN PTR gateway.example.com."});
  });
  EXPECT_THAT(Ask("1.0.0.10.in-addr.arpa", type::kPtr).answers, SizeIs(1));
}

TEST_F(ForwarderTest, AnUpstreamThatAsksUsIsFoundOut) {
  std::promise<void> looped;
  options_.on_loop = [&] { looped.set_value(); };
  options_.probe_interval = absl::Milliseconds(50);
  // As if upstream were this server: what it gets goes through the same check as what clients ask.
  upstream_ = std::make_unique<TestUpstream>([this](const std::string& query, bool) {
    Query parsed;
    if (ParseQuery(query, parsed)) probe_.Recognise(parsed.name());
    return MakeUpstreamAnswer(query, {}, 2);
  });
  options_.upstreams = {upstream_->address()};
  forwarder_ = *Forwarder::Start(options_, probe_);
  EXPECT_EQ(looped.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_TRUE(probe_.looped());
}

TEST(UpstreamsTest, ResolvConf) {
  const std::vector<SocketAddress> upstreams = UpstreamsOf(
      "# comment\nsearch example.com\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \n"
      "nameserver fe80::1%eth0\noptions ndots:5\n");
  ASSERT_THAT(upstreams, SizeIs(2));
  EXPECT_EQ(upstreams[0].Text(), "192.0.2.1:53");
  EXPECT_EQ(upstreams[1].Text(), "[2001:db8::1]:53");
}

TEST(CompleteWithUpstreamTest, AnExternalNameGetsUpstreamsRecordsBehindItsCname) {
  const std::string packet = MakeQuery("foo.default.svc.cluster.local", type::kA);
  Query query;
  ASSERT_TRUE(ParseQuery(packet, query));
  std::array<char, 512> out;
  MessageWriter writer(query, out);
  writer.AddAnswer(MessageWriter::kQuestionName, type::kCname, 5, *NameFromText("www.example.com"));
  const size_t size = writer.Finish(Rcode::kNoError, flag::kAuthoritative);
  const std::string upstream = MakeUpstreamAnswer(
      MakeQuery("www.example.com", type::kA),
      {"www.example.com. 28 IN A 192.0.2.53",
       "www.example.com. 28 IN RRSIG A 8 3 28 20300101000000 20200101000000 1 example.com. AAAA"});
  const UpstreamReply reply = CompleteWithUpstream({out.data(), size}, upstream, false, 512);
  const ParsedAnswer answer = ParseAnswer(reply.message);
  EXPECT_TRUE(answer.authoritative);
  EXPECT_THAT(answer.answers,
              ElementsAre("foo.default.svc.cluster.local. 5 IN CNAME www.example.com.",
                          "www.example.com. 28 IN A 192.0.2.53"));
  EXPECT_THAT(
      ParseAnswer(CompleteWithUpstream({out.data(), size}, upstream, true, 512).message).answers,
      SizeIs(3))
      << "signatures for whoever asks for them";
}

}  // namespace
}  // namespace berth::dns
