// The Kubernetes DNS specification 1.1.0, section by section: a test for each of its examples.
#include <gmock/gmock.h>

#include "companion/dns/testing/responder_fixture.h"

namespace berth::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int kNoError = 0;
constexpr int kNxDomain = 3;

class SpecificationTest : public ResponderTest {
 protected:
  std::vector<std::string> Answers(const std::string& name, uint16_t type) {
    const ParsedAnswer answer = Ask(name, type);
    EXPECT_EQ(answer.rcode, kNoError) << name;
    EXPECT_TRUE(answer.authoritative) << name;
    return answer.answers;
  }
};

TEST_F(SpecificationTest, Section2_2_TheSchemaVersion) {
  EXPECT_THAT(Answers("dns-version.cluster.local", type::kTxt),
              ElementsAre("dns-version.cluster.local. 28800 IN TXT \"1.1.0\""));
}

TEST_F(SpecificationTest, Section2_3_1_ClusterIpIPv4) {
  writer_.Set(MakeService("kubernetes", {"10.3.0.1"}));
  EXPECT_THAT(Answers("kubernetes.default.svc.cluster.local", type::kA),
              ElementsAre("kubernetes.default.svc.cluster.local. 5 IN A 10.3.0.1"));
  EXPECT_THAT(Answers("kubernetes.default.svc.cluster.local", type::kAaaa), IsEmpty());
}

TEST_F(SpecificationTest, Section2_3_1_ClusterIpIPv6) {
  writer_.Set(MakeService("kubernetes", {"2001:db8::1"}));
  EXPECT_THAT(Answers("kubernetes.default.svc.cluster.local", type::kAaaa),
              ElementsAre("kubernetes.default.svc.cluster.local. 5 IN AAAA 2001:db8::1"));
}

TEST_F(SpecificationTest, Section2_3_2_SrvOfNamedPorts) {
  writer_.Set(MakeService("kubernetes", {"10.3.0.1", "2001:db8::1"},
                          {{"https", "TCP", 443}, {"", "UDP", 99}}));
  EXPECT_THAT(Answers("_https._tcp.kubernetes.default.svc.cluster.local", type::kSrv),
              ElementsAre("_https._tcp.kubernetes.default.svc.cluster.local. 5 IN SRV 0 100 443 "
                          "kubernetes.default.svc.cluster.local."));
  EXPECT_EQ(Ask("_udp.kubernetes.default.svc.cluster.local", type::kSrv).rcode, kNxDomain);
}

TEST_F(SpecificationTest, Section2_3_3_PtrOfClusterIps) {
  writer_.Set(MakeService("kubernetes", {"10.3.0.1", "2001:db8::1"}));
  EXPECT_THAT(Answers("1.0.3.10.in-addr.arpa", type::kPtr),
              ElementsAre("1.0.3.10.in-addr.arpa. 5 IN PTR kubernetes.default.svc.cluster.local."));
  const std::string v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  EXPECT_THAT(Answers(v6, type::kPtr),
              ElementsAre(v6 + ". 5 IN PTR kubernetes.default.svc.cluster.local."));
}

TEST_F(SpecificationTest, Section2_4_1_HeadlessAddresses) {
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice("s", "headless", {{"10.3.0.1"}, {"10.3.0.2"}, {"10.3.0.3"}}));
  EXPECT_THAT(Answers("headless.default.svc.cluster.local", type::kA),
              ElementsAre("headless.default.svc.cluster.local. 5 IN A 10.3.0.1",
                          "headless.default.svc.cluster.local. 5 IN A 10.3.0.2",
                          "headless.default.svc.cluster.local. 5 IN A 10.3.0.3"));
}

TEST_F(SpecificationTest, Section2_4_1_NoReadyEndpointIsNxDomain) {
  writer_.Set(MakeHeadless("headless"));
  EXPECT_EQ(Ask("headless.default.svc.cluster.local", type::kA).rcode, kNxDomain);
  writer_.Set(MakeSlice("s", "headless", {{"10.3.0.1", "my-pet", false}}));
  EXPECT_EQ(Ask("headless.default.svc.cluster.local", type::kA).rcode, kNxDomain);
  EXPECT_EQ(Ask("my-pet.headless.default.svc.cluster.local", type::kA).rcode, kNxDomain);
}

TEST_F(SpecificationTest, Section2_4_1_Hostnames) {
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice("s4", "headless", {{"10.3.0.100", "my-pet"}, {"10.3.0.101", "my-pet"}}));
  writer_.Set(MakeSlice("s6", "headless", {{"2001:db8::1", "my-pet"}}));
  EXPECT_THAT(Answers("my-pet.headless.default.svc.cluster.local", type::kA),
              ElementsAre("my-pet.headless.default.svc.cluster.local. 5 IN A 10.3.0.100",
                          "my-pet.headless.default.svc.cluster.local. 5 IN A 10.3.0.101"));
  EXPECT_THAT(Answers("my-pet.headless.default.svc.cluster.local", type::kAaaa),
              ElementsAre("my-pet.headless.default.svc.cluster.local. 5 IN AAAA 2001:db8::1"));
  EXPECT_THAT(Answers("headless.default.svc.cluster.local", type::kAaaa),
              ElementsAre("headless.default.svc.cluster.local. 5 IN AAAA 2001:db8::1"));
}

TEST_F(SpecificationTest, Section2_4_2_SrvPerEndpointAndNamedPort) {
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice(
      "s", "headless",
      {{"10.3.0.1", "my-pet"}, {"10.3.0.2", "my-pet-2"}, {"10.3.0.3"}, {"10.3.0.4", "sick", false}},
      {{"https", "TCP", 443}, {"dns", "UDP", 53}, {"", "TCP", 1}}));
  const std::string https = "_https._tcp.headless.default.svc.cluster.local";
  EXPECT_THAT(Answers(https, type::kSrv),
              UnorderedElementsAre(
                  https + ". 5 IN SRV 0 100 443 my-pet.headless.default.svc.cluster.local.",
                  https + ". 5 IN SRV 0 100 443 my-pet-2.headless.default.svc.cluster.local.",
                  https + ". 5 IN SRV 0 100 443 10-3-0-3.headless.default.svc.cluster.local."));
  EXPECT_EQ(Answers("_dns._udp.headless.default.svc.cluster.local", type::kSrv).size(), 3u);
}

// Not in the specification, but promised by Kubernetes' documentation: a StatefulSet's Service need
// not be headless for its pods to have names.
TEST_F(SpecificationTest, EndpointsOfANormalServiceHaveTheirNamesBelowIt) {
  const std::string web = "web.default.svc.cluster.local";
  writer_.Set(MakeSlice("s", "web",
                        {{"10.3.1.1", "web-0"}, {"10.3.1.2"}, {"10.3.1.3", "sick", false}},
                        {{"http", "TCP", 8080}}));
  writer_.Set(MakeService("web", {"10.3.0.1"}, {{"http", "TCP", 80}}));
  EXPECT_THAT(Answers("web-0." + web, type::kA), ElementsAre("web-0." + web + ". 5 IN A 10.3.1.1"));
  EXPECT_EQ(Answers("10-3-1-2." + web, type::kA).size(), 1u);
  EXPECT_EQ(Ask("sick." + web, type::kA).rcode, kNxDomain);
  EXPECT_THAT(Answers("1.1.3.10.in-addr.arpa", type::kPtr),
              ElementsAre("1.1.3.10.in-addr.arpa. 5 IN PTR web-0." + web + "."));
  EXPECT_THAT(Answers("2.1.3.10.in-addr.arpa", type::kPtr),
              ElementsAre("2.1.3.10.in-addr.arpa. 5 IN PTR 10-3-1-2." + web + "."));
  EXPECT_THAT(Answers(web, type::kA), ElementsAre(web + ". 5 IN A 10.3.0.1"));
  EXPECT_EQ(Answers("_http._tcp." + web, type::kSrv).size(), 1u);
  writer_.Set(MakeExternal("web", "www.example.com"));
  EXPECT_EQ(Ask("web-0." + web, type::kA).rcode, kNxDomain);
}

// Not in the specification: what peer finders ask for, as in net.LookupSRV("", "", service).
TEST_F(SpecificationTest, AServicesOwnNameHasTheSrvRecordsOfAllPorts) {
  const std::string web = "web.default.svc.cluster.local";
  writer_.Set(MakeService("web", {"10.3.0.1"}, {{"http", "TCP", 80}, {"", "UDP", 53}}));
  EXPECT_THAT(Answers(web, type::kSrv),
              UnorderedElementsAre(web + ". 5 IN SRV 0 100 80 " + web + ".",
                                   web + ". 5 IN SRV 0 100 53 " + web + "."));
  const std::string headless = "headless.default.svc.cluster.local";
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice("s", "headless",
                        {{"10.3.0.1", "a"}, {"10.3.0.2", "b"}, {"10.3.0.3", "sick", false}},
                        {{"", "TCP", 443}}));
  EXPECT_THAT(Answers(headless, type::kSrv),
              UnorderedElementsAre(headless + ". 5 IN SRV 0 100 443 a." + headless + ".",
                                   headless + ". 5 IN SRV 0 100 443 b." + headless + "."));
}

TEST_F(SpecificationTest, Section2_4_3_PtrPerEndpoint) {
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice("s4", "headless", {{"10.3.0.100", "my-pet"}, {"10.3.0.101"}}));
  writer_.Set(MakeSlice("s6", "headless", {{"2001:db8::1", "my-pet"}}));
  EXPECT_THAT(
      Answers("100.0.3.10.in-addr.arpa", type::kPtr),
      ElementsAre("100.0.3.10.in-addr.arpa. 5 IN PTR my-pet.headless.default.svc.cluster.local."));
  EXPECT_THAT(
      Answers("101.0.3.10.in-addr.arpa", type::kPtr),
      ElementsAre(
          "101.0.3.10.in-addr.arpa. 5 IN PTR 10-3-0-101.headless.default.svc.cluster.local."));
  const std::string v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  EXPECT_THAT(Answers(v6, type::kPtr),
              ElementsAre(v6 + ". 5 IN PTR my-pet.headless.default.svc.cluster.local."));
}

TEST_F(SpecificationTest, Section2_5_AnExternalNameIsCompletedByUpstream) {
  options_.forwards = true;
  writer_.Set(MakeExternal("foo", "www.example.com"));
  const Responder::Reply reply = Respond(MakeQuery("foo.default.svc.cluster.local", type::kA));
  EXPECT_EQ(reply.kind, Responder::Reply::Kind::kForward);
  EXPECT_EQ(NameToText(reply.upstream_name), "www.example.com");
  EXPECT_THAT(ParseAnswer(message_).answers,
              ElementsAre("foo.default.svc.cluster.local. 5 IN CNAME www.example.com."));
}

TEST_F(SpecificationTest, Section2_5_AnExternalNameOfTheClusterIsAnsweredAtOnce) {
  writer_.Set(MakeExternal("foo", "BAR.default.svc.cluster.local."));
  writer_.Set(MakeExternal("bar", "web.default.svc.cluster.local"));
  writer_.Set(MakeService("web", {"10.3.0.7"}));
  EXPECT_THAT(Answers("foo.default.svc.cluster.local", type::kA),
              UnorderedElementsAre(
                  "foo.default.svc.cluster.local. 5 IN CNAME bar.default.svc.cluster.local.",
                  "bar.default.svc.cluster.local. 5 IN CNAME web.default.svc.cluster.local.",
                  "web.default.svc.cluster.local. 5 IN A 10.3.0.7"));
  writer_.Set(MakeExternal("bar", "foo.default.svc.cluster.local"));
  EXPECT_EQ(Ask("foo.default.svc.cluster.local", type::kA).rcode, 2) << "a circle";
  writer_.Set(MakeExternal("bar", "nobody.default.svc.cluster.local"));
  EXPECT_EQ(Ask("foo.default.svc.cluster.local", type::kA).rcode, kNxDomain);
}

TEST_F(SpecificationTest, Definitions_PublishNotReadyAddresses) {
  kube::core::Service service = MakeHeadless("headless");
  service.mutable_spec()->set_publishnotreadyaddresses(true);
  writer_.Set(service);
  writer_.Set(MakeSlice("s", "headless", {{"10.3.0.1", "my-pet", false}}));
  EXPECT_EQ(Answers("my-pet.headless.default.svc.cluster.local", type::kA).size(), 1u);
  // And when the Service changes its mind, by field or by its old annotation.
  writer_.Set(MakeHeadless("headless"));
  EXPECT_EQ(Ask("my-pet.headless.default.svc.cluster.local", type::kA).rcode, kNxDomain);
  service = MakeHeadless("headless");
  (*service.mutable_metadata()->mutable_annotations())[kTolerateUnreadyAnnotation] = "true";
  writer_.Set(service);
  EXPECT_EQ(Answers("my-pet.headless.default.svc.cluster.local", type::kA).size(), 1u);
}

TEST_F(SpecificationTest, Definitions_AnEndpointThatDoesNotSayIsReady) {
  writer_.Set(MakeHeadless("headless"));
  kube::discovery::EndpointSlice slice = MakeSlice("s", "headless", {{"10.3.0.1"}});
  slice.mutable_endpoints(0)->mutable_conditions()->clear_ready();
  writer_.Set(slice);
  EXPECT_EQ(Answers("headless.default.svc.cluster.local", type::kA).size(), 1u);
}

TEST_F(SpecificationTest, Definitions_ComparisonsIgnoreCaseAndAnswersKeepIt) {
  writer_.Set(MakeService("kubernetes", {"10.3.0.1"}));
  const ParsedAnswer answer = Ask("KUBERNETES.Default.sVc.cluster.LOCAL", type::kA);
  EXPECT_THAT(answer.answers, ElementsAre("KUBERNETES.Default.sVc.cluster.LOCAL. 5 IN A 10.3.0.1"));
}

TEST_F(SpecificationTest, AServiceThatGoesTakesItsNames) {
  const size_t names = zone_.names();
  writer_.Set(MakeService("web", {"10.3.0.1"}, {{"http", "TCP", 80}}));
  writer_.Set(MakeHeadless("headless"));
  writer_.Set(MakeSlice("s", "headless", {{"10.3.0.2", "a"}}, {{"http", "TCP", 80}}));
  EXPECT_GT(zone_.names(), names);
  writer_.RemoveService("web");
  writer_.RemoveService("headless");
  writer_.RemoveSlice("s");
  EXPECT_EQ(zone_.names(), names);
  EXPECT_EQ(catalog_.size().services + catalog_.size().slices + catalog_.size().endpoints, 0u);
}

TEST_F(SpecificationTest, ASliceMayComeBeforeItsService) {
  writer_.Set(MakeSlice("s", "headless", {{"10.3.0.2", "a"}}));
  EXPECT_EQ(Ask("a.headless.default.svc.cluster.local", type::kA).rcode, kNxDomain);
  writer_.Set(MakeHeadless("headless"));
  EXPECT_EQ(Answers("a.headless.default.svc.cluster.local", type::kA).size(), 1u);
}

}  // namespace
}  // namespace berth::dns
