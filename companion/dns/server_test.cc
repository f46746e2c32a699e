// The whole server against a real kube-apiserver.
#include "companion/dns/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <thread>

#include "base/status_server.h"
#include "companion/dns/testing/dns_message.h"
#include "companion/dns/testing/objects.h"
#include "companion/dns/testing/unused_address.h"
#include "kube/cancellation.h"
#include "kube/testing/api_server.h"

namespace berth::dns {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    StatusOr<std::unique_ptr<kube::TestApiServer>> started = kube::TestApiServer::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    api_server_ = *std::move(started);
  }
  static void TearDownTestSuite() { api_server_.reset(); }
  void SetUp() override {
    ASSERT_NE(api_server_, nullptr);
    client_ = api_server_->Client();
    server_client_ = api_server_->Client();
  }
  void TearDown() override {
    server_.reset();
    for (const std::string& name : slices_) {
      client_->Delete<kube::discovery::EndpointSlice>({"default", name}).IgnoreError();
    }
    for (const std::string& name : services_) {
      client_->Delete<kube::core::Service>({"default", name}).IgnoreError();
    }
  }

  void StartServer() {
    Server::Options options;
    options.addresses = {UnusedAddress()};
    options.authority.cluster_zone = *NameFromText("cluster.local");
    options.authority.name_server = *NameFromText("kube-dns.kube-system.svc.cluster.local");
    StatusOr<std::unique_ptr<Server>> started =
        Server::Start(*server_client_, clock_, std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  void AwaitReady() {
    ASSERT_TRUE(Eventually([&] { return server_->Ready().ok(); }));
  }
  ParsedAnswer Ask(const std::string& name, uint16_t type = type::kA) {
    return ParseAnswer(AskTcp(server_->addresses()[0].port, MakeQuery(name, type)));
  }
  // For conditions that no event tells of.
  static bool Eventually(const std::function<bool()>& condition) {
    const kube::Cancellation never;
    for (const absl::Time end = absl::Now() + absl::Seconds(60); absl::Now() < end;) {
      if (condition()) return true;
      never.WaitFor(absl::Milliseconds(5));
    }
    return false;
  }
  void Create(kube::core::Service service) {
    services_.push_back(service.metadata().name());
    if (service.spec().ports().empty() && service.spec().type() != "ExternalName") {
      auto& port = *service.mutable_spec()->add_ports();
      port.set_name("http");
      port.set_port(80);
    }
    const auto created = client_->Create(service);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  void Create(const kube::discovery::EndpointSlice& slice) {
    slices_.push_back(slice.metadata().name());
    const auto created = client_->Create(slice);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  void Update(const kube::discovery::EndpointSlice& slice) {
    const auto updated = client_->Update(slice);
    ASSERT_TRUE(updated.ok()) << updated.status();
  }
  void Delete(const std::string& slice) {
    ASSERT_TRUE(client_->Delete<kube::discovery::EndpointSlice>({"default", slice}).ok());
  }

  static std::unique_ptr<kube::TestApiServer> api_server_;
  const RealClock clock_;
  std::unique_ptr<kube::ApiClient> client_;
  std::unique_ptr<kube::ApiClient> server_client_;
  std::unique_ptr<Server> server_;
  std::vector<std::string> services_;
  std::vector<std::string> slices_;
};

std::unique_ptr<kube::TestApiServer> ServerTest::api_server_;

TEST_F(ServerTest, WhatTheApiHoldsIsAnsweredOnceSynced) {
  Create(MakeHeadless("db"));
  Create(MakeSlice("db-1", "db", {{"10.1.0.1", "db-0"}, {"10.1.0.2", "db-1", false}},
                   {{"sql", "TCP", 5432}}));
  Create(MakeExternal("elsewhere", "db-0.db.default.svc.cluster.local"));
  StartServer();
  AwaitReady();
  EXPECT_TRUE(Eventually([&] {
    return Ask("kubernetes.default.svc.cluster.local").answers.size() == 1;
  })) << "kube-apiserver makes this one itself, some time after it started";
  EXPECT_EQ(Ask("db-0.db.default.svc.cluster.local").answers.size(), 1u);
  EXPECT_EQ(Ask("db-1.db.default.svc.cluster.local").rcode, 3);
  EXPECT_EQ(Ask("_sql._tcp.db.default.svc.cluster.local", type::kSrv).answers.size(), 1u);
  EXPECT_EQ(Ask("elsewhere.default.svc.cluster.local").answers.size(), 2u);

  Update(MakeSlice("db-1", "db", {{"10.1.0.1", "db-0"}, {"10.1.0.2", "db-1"}}));
  EXPECT_TRUE(Eventually([&] { return Ask("db-1.db.default.svc.cluster.local").rcode == 0; }));
  Delete("db-1");
  EXPECT_TRUE(Eventually([&] { return Ask("db-0.db.default.svc.cluster.local").rcode == 3; }));
}

// kube-apiserver is away, comes back, and meanwhile a new server cannot learn anything: it says
// SERVFAIL, never that a name does not exist.
TEST_F(ServerTest, AnOutageOfTheApiServerChangesNoAnswer) {
  Create(MakeHeadless("db"));
  Create(MakeSlice("db-1", "db", {{"10.1.0.1", "db-0"}}));
  StartServer();
  AwaitReady();
  std::atomic<bool> ending = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> asked = 0;
  std::thread asking([&] {
    while (!ending) {
      ++asked;
      if (Ask("db-0.db.default.svc.cluster.local").answers.size() != 1) ++wrong;
    }
  });
  const Status restarted = api_server_->Restart();
  EXPECT_TRUE(restarted.ok()) << restarted;
  Create(MakeSlice("db-2", "db", {{"10.1.0.2", "db-1"}}));
  EXPECT_TRUE(Eventually([&] { return Ask("db-1.db.default.svc.cluster.local").rcode == 0; }))
      << "the watch goes on";
  ending = true;
  asking.join();
  EXPECT_EQ(wrong, 0) << "of " << asked;
  const std::string metrics =
      prometheus::TextSerializer().Serialize(MetricsOf(*server_)->Collect());
  EXPECT_THAT(metrics, HasSubstr("berth_dns_synced 1"));
  EXPECT_GT(server_->figures().api_errors, 0u) << "the outage is in the metrics";
}

TEST_F(ServerTest, ARestartNeverDeniesANameThatExists) {
  Create(MakeHeadless("db"));
  Create(MakeSlice("db-1", "db", {{"10.1.0.1", "db-0"}}));
  for (int restart = 0; restart < 5; ++restart) {
    StartServer();
    // From its first moment on.
    int rcode = -1;
    do {
      rcode = Ask("db-0.db.default.svc.cluster.local").rcode;
      ASSERT_TRUE(rcode == 2 || rcode == 0) << rcode;
    } while (rcode != 0);
    server_.reset();
  }
}

TEST_F(ServerTest, EndpointsThatMoveBetweenSlicesAreNeverMissing) {
  Create(MakeHeadless("db"));
  std::vector<EndpointSpec> moving;
  for (int i = 0; i < 50; ++i) {
    moving.push_back({"10.1.0." + std::to_string(i), "db-" + std::to_string(i)});
  }
  Create(MakeSlice("one", "db", moving));
  Create(MakeSlice("two", "db", {{"10.1.1.1", "other"}}));
  StartServer();
  AwaitReady();
  std::atomic<bool> ending = false;
  std::atomic<int> wrong = 0;
  std::thread asking([&] {
    for (int i = 0; !ending; i = (i + 1) % 50) {
      const std::string host = "db-" + std::to_string(i);
      if (Ask(host + ".db.default.svc.cluster.local").answers.size() != 1) ++wrong;
    }
  });
  for (int round = 0; round < 20; ++round) {
    // Gone from one slice before the other has them, and a slice deleted and made anew.
    Update(MakeSlice("one", "db", {}));
    Update(MakeSlice("two", "db", moving));
    Delete("two");
    Create(MakeSlice("two", "db", {{"10.1.1.1", "other"}}));
    Update(MakeSlice("one", "db", moving));
  }
  ending = true;
  asking.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ServerTest, ReadinessAndMetricsAreServed) {
  StartServer();
  StatusOr<std::unique_ptr<StatusServer>> status =
      StatusServer::Start("127.0.0.1:0", {MetricsOf(*server_)}, [&] { return server_->Ready(); });
  ASSERT_TRUE(status.ok()) << status.status();
  AwaitReady();
  const std::string address = "http://127.0.0.1:" + std::to_string((*status)->port());
  const auto get = [&](const std::string& path) {
    const auto result =
        RunProcess({"curl", "-sS", address + path}, absl::Now() + absl::Seconds(20));
    return result.ok() ? result->output : result.status().ToString();
  };
  EXPECT_EQ(get("/readyz"), "ok\n");
  EXPECT_EQ(get("/livez"), "ok\n");
  EXPECT_THAT(get("/metrics"), HasSubstr("berth_dns_queries_total{transport=\"udp\"} 0"));
}

}  // namespace
}  // namespace berth::dns
