// The UDP and TCP servers over loopback, with real queries.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "absl/time/clock.h"
#include "companion/dns/forwarder.h"
#include "companion/dns/tcp_server.h"
#include "companion/dns/testing/responder_fixture.h"
#include "companion/dns/testing/unused_address.h"
#include "companion/dns/testing/upstream.h"
#include "companion/dns/udp_server.h"

namespace berth::dns {
namespace {

using ::testing::SizeIs;

class SocketsTest : public ResponderTest {
 protected:
  void SetUp() override {
    writer_.Set(MakeHeadless("db"));
    std::vector<EndpointSpec> endpoints;
    for (int i = 0; i < 200; ++i) endpoints.push_back({"10.0.1." + std::to_string(i)});
    writer_.Set(MakeSlice("s", "db", endpoints));
    upstream_ = std::make_unique<TestUpstream>([](const std::string& query, bool) {
      return MakeUpstreamAnswer(query, {"www.example.com. 60 IN A 192.0.2.53"});
    });
    options_.forwards = true;
    forwarder_ = *Forwarder::Start({.upstreams = {upstream_->address()}}, probe_);
  }
  void TearDown() override {
    if (udp_ != nullptr) udp_->Stop();
    if (tcp_ != nullptr) tcp_->Stop();
    forwarder_.reset();
  }
  void Start(const std::string& ip = "127.0.0.1", TcpServer::Options tcp = {}) {
    responder_ = std::make_unique<Responder>(zone_, synced_, limiter_, probe_, options_);
    StatusOr<std::unique_ptr<UdpServer>> udp =
        UdpServer::Start({UnusedAddress(ip), 2}, *responder_, forwarder_.get());
    ASSERT_TRUE(udp.ok()) << udp.status();
    udp_ = *std::move(udp);
    tcp.address = udp_->address();
    StatusOr<std::unique_ptr<TcpServer>> started =
        TcpServer::Start(tcp, *responder_, forwarder_.get());
    ASSERT_TRUE(started.ok()) << started.status();
    tcp_ = *std::move(started);
    port_ = udp_->address().port;
  }
  Fd Connect() const {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = 0;
    const auto address = SocketAddress{*IpAddress::Parse("127.0.0.1"), port_}.ForSocket(size);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    return fd;
  }
  // True when the server closes `fd` within ten seconds.
  static bool IsClosed(const Fd& fd) {
    pollfd waited{fd.get(), POLLIN, 0};
    char byte = 0;
    return ::poll(&waited, 1, 10'000) == 1 && ::recv(fd.get(), &byte, 1, 0) <= 0;
  }

  std::unique_ptr<TestUpstream> upstream_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<UdpServer> udp_;
  std::unique_ptr<TcpServer> tcp_;
  std::unique_ptr<Forwarder> forwarder_;
  uint16_t port_ = 0;
};

TEST_F(SocketsTest, UdpTruncatesAndTcpHasItAll) {
  Start();
  const std::string query = MakeQuery("db.default.svc.cluster.local", type::kA);
  const ParsedAnswer cut = ParseAnswer(AskUdp(port_, query));
  EXPECT_TRUE(cut.valid);
  EXPECT_TRUE(cut.truncated);
  EXPECT_THAT(ParseAnswer(AskTcp(port_, query)).answers, SizeIs(200));
}

TEST_F(SocketsTest, AnyAddressAnswersFromTheAddressThatWasAsked) {
  Start("::");
  const std::string query = MakeQuery("cluster.local", type::kSoa);
  // The client's socket is connected: it would not take an answer from another address.
  EXPECT_TRUE(ParseAnswer(AskUdp(port_, query)).valid);
  EXPECT_TRUE(ParseAnswer(AskTcp(port_, query)).valid);
}

TEST_F(SocketsTest, OtherNamesComeFromUpstream) {
  Start();
  const std::string query = MakeQuery("www.example.com", type::kA);
  EXPECT_THAT(ParseAnswer(AskUdp(port_, query)).answers, SizeIs(1));
  EXPECT_THAT(ParseAnswer(AskTcp(port_, query)).answers, SizeIs(1));
}

TEST_F(SocketsTest, ManyClientsGetTheirOwnAnswers) {
  Start();
  for (uint16_t id = 1; id <= 500; ++id) {
    const std::string name = "db-" + std::to_string(id) + ".cluster.local";
    const ParsedAnswer answer = ParseAnswer(AskUdp(port_, MakeQuery(name, type::kA, {.id = id})));
    ASSERT_EQ(answer.id, id);
    ASSERT_EQ(answer.question, name + ". IN A");
  }
  uint64_t queries = 0;
  for (const Counters* counters : udp_->counters()) queries += counters->queries;
  EXPECT_EQ(queries, 500u);
}

TEST_F(SocketsTest, QueriesOfOneConnectionArePipelinedAndComeInPieces) {
  Start();
  const Fd fd = Connect();
  std::string sent;
  for (uint16_t id = 1; id <= 3; ++id) {
    const std::string query = MakeQuery("cluster.local", type::kSoa, {.id = id});
    sent += std::string{'\0', static_cast<char>(query.size())} + query;
  }
  for (const char c : sent) ASSERT_EQ(::send(fd.get(), &c, 1, MSG_NOSIGNAL), 1);
  std::string in;
  size_t answers = 0;
  while (answers < 3) {
    std::array<char, 4096> part;
    const ssize_t size = ::recv(fd.get(), part.data(), part.size(), 0);
    ASSERT_GT(size, 0);
    in.append(part.data(), static_cast<size_t>(size));
    while (in.size() >= 2 && in.size() >= 2u + static_cast<unsigned char>(in[1])) {
      EXPECT_EQ(ParseAnswer(in.substr(2, static_cast<unsigned char>(in[1]))).id, ++answers);
      in.erase(0, 2u + static_cast<unsigned char>(in[1]));
    }
  }
}

TEST_F(SocketsTest, TheIdlestConnectionMakesRoom) {
  Start("127.0.0.1", {.max_connections = 2});
  const Fd first = Connect();
  const Fd second = Connect();
  const Fd third = Connect();
  EXPECT_TRUE(IsClosed(first));
  EXPECT_LE(tcp_->connections(), 2u);
  EXPECT_TRUE(ParseAnswer(AskTcp(port_, MakeQuery("cluster.local", type::kSoa))).valid);
}

TEST_F(SocketsTest, AQuietConnectionIsClosed) {
  Start("127.0.0.1", {.idle_timeout = absl::Milliseconds(100)});
  EXPECT_TRUE(IsClosed(Connect()));
}

TEST_F(SocketsTest, AMessageThatIsTooLongClosesTheConnection) {
  Start();
  const Fd fd = Connect();
  ASSERT_EQ(::send(fd.get(), "\xff\xff", 2, MSG_NOSIGNAL), 2);
  EXPECT_TRUE(IsClosed(fd));
}

TEST_F(SocketsTest, ClientsThatTakeNoAnswersCannotMakeItGrow) {
  Start("127.0.0.1", {.idle_timeout = absl::Hours(1), .max_unsent_bytes = 4096});
  const Fd fd = Connect();
  const std::string query = MakeQuery("db.default.svc.cluster.local", type::kA);
  const std::string framed = std::string{'\0', static_cast<char>(query.size())} + query;
  bool closed = false;
  for (const absl::Time end = absl::Now() + absl::Seconds(20); !closed && absl::Now() < end;) {
    pollfd waited{fd.get(), POLLOUT, 0};
    ::poll(&waited, 1, 10);
    // What the kernel takes of this is far less than what it asks for.
    ::send(fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    closed = tcp_->counters().queries > 0 && tcp_->connections() == 0;
  }
  EXPECT_TRUE(closed);
  EXPECT_TRUE(ParseAnswer(AskTcp(port_, query)).valid) << "whoever takes its answer gets it";
}

TEST_F(SocketsTest, AnAddressThatIsTakenIsNamed) {
  Start();
  const SocketAddress nobodys = *SocketAddress::Parse("192.0.2.1:53");
  const auto failed = UdpServer::Start({nobodys, 1}, *responder_, nullptr);
  EXPECT_THAT(std::string(failed.status().message()), ::testing::HasSubstr("192.0.2.1:53"));
}

}  // namespace
}  // namespace berth::dns
