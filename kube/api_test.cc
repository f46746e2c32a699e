// kube/ against a real kube-apiserver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "base/synchronized.h"
#include "kube/api_error.h"
#include "kube/client.h"
#include "kube/core_v1.h"
#include "kube/event_recorder.h"
#include "kube/informer.h"
#include "kube/lease.h"
#include "kube/testing/api_server.h"

namespace berth::kube {
namespace {

using ::testing::HasSubstr;

class ApiTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    StatusOr<std::unique_ptr<TestApiServer>> started = TestApiServer::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    ASSERT_NE(server_, nullptr);
    client_ = server_->Client();
    core::Namespace ns;
    ns.mutable_metadata()->set_generatename("test-");
    const StatusOr<core::Namespace> created = client_->Create(ns);
    ASSERT_TRUE(created.ok()) << created.status();
    ns_ = created->metadata().name();
  }

  core::ConfigMap Map(const std::string& name, const std::string& value) const {
    core::ConfigMap map;
    map.mutable_metadata()->set_namespace_(ns_);
    map.mutable_metadata()->set_name(name);
    (*map.mutable_data())["value"] = value;
    return map;
  }

  static std::unique_ptr<TestApiServer> server_;
  std::unique_ptr<ApiClient> client_;
  std::string ns_;
};

std::unique_ptr<TestApiServer> ApiTest::server_;

TEST_F(ApiTest, ObjectsAreCreatedReadUpdatedAndDeleted) {
  StatusOr<core::ConfigMap> map = client_->Create(Map("a", "one"));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_FALSE(map->metadata().uid().empty());
  EXPECT_EQ(client_->Create(Map("a", "one")).status().code(), absl::StatusCode::kAlreadyExists);

  (*map->mutable_data())["value"] = "two";
  const StatusOr<core::ConfigMap> updated = client_->Update(*map);
  ASSERT_TRUE(updated.ok()) << updated.status();
  // The old resource version is in `map` still: somebody wrote first.
  const Status conflict = client_->Update(*map).status();
  EXPECT_EQ(conflict.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(conflict), "Conflict");

  EXPECT_EQ(client_->Get<core::ConfigMap>({ns_, "a"})->data().at("value"), "two");
  EXPECT_EQ(client_->Delete<core::ConfigMap>({ns_, "a"}, {.uid = "another"}).code(),
            absl::StatusCode::kAborted);
  EXPECT_TRUE(client_->Delete<core::ConfigMap>({ns_, "a"}, {.uid = map->metadata().uid()}).ok());
  const Status gone = client_->Get<core::ConfigMap>({ns_, "a"}).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(gone.message()), HasSubstr("get configmaps " + ns_ + "/a"));
}

TEST_F(ApiTest, MetadataPatchesKeepOtherWritersFinalizers) {
  const core::ConfigMap seen = *client_->Create(Map("a", "one"));
  const MetadataChange mine{.set_annotations = {{"example.com/x", "1"}},
                            .add_finalizers = {"example.com/mine"}};
  const auto patched = client_->Patch<core::ConfigMap>({ns_, "a"}, PatchFor(seen.metadata(), mine));
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_TRUE(HasFinalizer(patched->metadata(), "example.com/mine"));
  EXPECT_EQ(Annotation(patched->metadata(), "example.com/x"), "1");
  EXPECT_TRUE(PatchFor(patched->metadata(), mine).empty());

  // Decided on what is no longer true: refused, nothing lost.
  const MetadataChange other{.add_finalizers = {"example.com/other"}};
  EXPECT_EQ(
      client_->Patch<core::ConfigMap>({ns_, "a"}, PatchFor(seen.metadata(), other)).status().code(),
      absl::StatusCode::kAborted);

  const MetadataChange undo{.remove_annotations = {"example.com/x"},
                            .remove_finalizers = {"example.com/mine"}};
  const auto undone =
      client_->Patch<core::ConfigMap>({ns_, "a"}, PatchFor(patched->metadata(), undo));
  ASSERT_TRUE(undone.ok()) << undone.status();
  EXPECT_EQ(undone->metadata().finalizers_size(), 0);
  EXPECT_EQ(undone->metadata().annotations_size(), 0);
}

TEST_F(ApiTest, AnInvalidPatchIsNotMistakenForALostRace) {
  ASSERT_TRUE(client_->Create(Map("a", "one")).ok());
  JsonPatch patch;
  patch.Add("/metadata/finalizers", nlohmann::json::array({"not a qualified name"}));
  EXPECT_EQ(client_->Patch<core::ConfigMap>({ns_, "a"}, patch).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ApiTest, ListsArePaged) {
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(client_->Create(Map("m" + std::to_string(i), "x")).ok());
  }
  std::vector<std::string> names;
  const StatusOr<std::string> version = client_->ForEach<core::ConfigMap>(
      {.ns = ns_},
      [&](const core::ConfigMap& map) {
        names.push_back(map.metadata().name());
        return absl::OkStatus();
      },
      3);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(names.size(), 7u);
  EXPECT_FALSE(version->empty());
}

TEST_F(ApiTest, ForbiddenAndUnauthenticatedKeepTheServersWords) {
  Config config = server_->config();
  config.token.clear();
  const Status forbidden = (*Connect(config))->Get<core::Secret>({"kube-system", "x"}).status();
  EXPECT_EQ(forbidden.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(forbidden.message()), HasSubstr("cannot get resource \"secrets\""));
  config.token = "wrong";
  EXPECT_EQ((*Connect(config))->Get<core::Secret>({"kube-system", "x"}).status().code(),
            absl::StatusCode::kUnauthenticated);
  config.ca_pem.clear();
  EXPECT_EQ((*Connect(config))->Get<core::Secret>({"kube-system", "x"}).status().code(),
            absl::StatusCode::kUnauthenticated);
  config.server = "https://127.0.0.1:1";
  EXPECT_EQ((*Connect(config))->Get<core::Secret>({"kube-system", "x"}).status().code(),
            absl::StatusCode::kUnavailable);
}

// Collects the changes an informer reports, as "+a", "~a", "-a".
class Changes {
 public:
  void Note(const Informer<core::ConfigMap>::Change& change) {
    auto notes = notes_.Lock();
    notes->push_back((change.before == nullptr  ? "+"
                      : change.after == nullptr ? "-"
                                                : "~") +
                     change.key().name);
    notes.NotifyAll();
  }
  bool WaitFor(const std::string& note) {
    auto notes = notes_.Lock();
    return notes.WaitUntil(absl::Now() + absl::Seconds(20), [&] {
      return std::find(notes->begin(), notes->end(), note) != notes->end();
    });
  }

 private:
  Synchronized<std::vector<std::string>> notes_;
};

TEST_F(ApiTest, AnInformerFollowsTheServerAlsoAcrossARestart) {
  ASSERT_TRUE(client_->Create(Map("a", "red")).ok());
  Changes changes;
  Informer<core::ConfigMap> informer(
      *client_, {.selector = {.ns = ns_},
                 .trim = {},
                 .indexes = {{"value",
                              [](const core::ConfigMap& map) {
                                return std::vector<std::string>{map.data().at("value")};
                              }}},
                 .on_error = {}});
  informer.AddHandler([&](const auto& change) { changes.Note(change); });
  informer.Start();
  const Status synced = informer.WaitForSync(absl::Now() + absl::Seconds(20));
  ASSERT_TRUE(synced.ok()) << synced;
  ASSERT_NE(informer.Get({ns_, "a"}), nullptr);
  EXPECT_EQ(informer.Get({ns_, "a"})->metadata().managedfields_size(), 0);
  EXPECT_EQ(informer.ByIndex("value", "red").size(), 1u);

  ASSERT_TRUE(client_->Create(Map("b", "red")).ok());
  ASSERT_TRUE(client_->Update(Map("a", "blue")).ok());
  EXPECT_TRUE(changes.WaitFor("+b"));
  EXPECT_TRUE(changes.WaitFor("~a"));
  EXPECT_EQ(informer.ByIndex("value", "red").size(), 1u);
  EXPECT_EQ(informer.ByIndex("value", "blue").size(), 1u);

  ASSERT_TRUE(server_->Restart().ok());
  ASSERT_TRUE(client_->Delete<core::ConfigMap>({ns_, "a"}).ok());
  EXPECT_TRUE(changes.WaitFor("-a"));
  EXPECT_EQ(informer.Get({ns_, "a"}), nullptr);
  ASSERT_TRUE(client_->Create(Map("c", "red")).ok());
  EXPECT_TRUE(changes.WaitFor("+c"));
  const absl::Time before_stop = absl::Now();
  informer.Stop();
  EXPECT_LT(absl::Now() - before_stop, absl::Seconds(1));
}

TEST_F(ApiTest, AVersionThatIsTooOldIsGone) {
  // After a restart the server's watch cache knows no older versions.
  ASSERT_TRUE(client_->Create(Map("a", "one")).ok());
  ASSERT_TRUE(server_->Restart().ok());
  const Cancellation cancel;
  WatchRequest request;
  request.resource = ResourceOf<core::ConfigMap>::kResource;
  request.selector.ns = ns_;
  request.resource_version = "1";
  const Status result = client_->Watch(
      request, [](const WatchEvent&) { return absl::OkStatus(); }, cancel);
  EXPECT_TRUE(IsGone(result)) << result;
}

TEST_F(ApiTest, RepeatedEventsAreCounted) {
  const core::ConfigMap map = *client_->Create(Map("a", "one"));
  const RealClock clock;
  {
    EventRecorder recorder(*client_, clock,
                           {.component = "test",
                            .instance = "test-0",
                            .on_error = [](const Status& error) { ADD_FAILURE() << error; }});
    for (int i = 0; i < 3; ++i) {
      recorder.Record(ReferenceTo(map), EventType::kWarning, "Tested", "the same again");
    }
    recorder.Record(ReferenceTo(map), EventType::kNormal, "Tested", "another");
    recorder.Record(ReferenceTo(map), EventType::kWarning, "Tested", "the same again");
  }
  std::vector<std::string> seen;
  ASSERT_TRUE(client_
                  ->ForEach<core::Event>({.ns = ns_},
                                         [&](const core::Event& event) {
                                           seen.push_back(event.message() + " " +
                                                          std::to_string(event.count()));
                                           return absl::OkStatus();
                                         })
                  .ok());
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("the same again 4", "another 1"));
}

TEST_F(ApiTest, AFloodOfEventsOfOneObjectIsCut) {
  const core::ConfigMap map = *client_->Create(Map("a", "one"));
  Synchronized<std::map<std::string, int>> written;  // by type
  Informer<core::Event> events(*client_, {.selector = {.ns = ns_}});
  events.AddHandler([&](const Informer<core::Event>::Change& change) {
    auto counts = written.Lock();
    ++(*counts)[change.after->type()];
    counts.NotifyAll();
  });
  events.Start();
  const RealClock clock;
  EventRecorder recorder(*client_, clock, {.component = "test", .instance = "test-0"});
  for (int i = 0; i < 40; ++i) {
    recorder.Record(ReferenceTo(map), EventType::kNormal, "Tested", std::to_string(i));
  }
  recorder.Record(ReferenceTo(map), EventType::kWarning, "Tested", "what matters");
  {
    auto counts = written.Lock();
    EXPECT_TRUE(counts.WaitUntil(absl::Now() + absl::Seconds(20),
                                 [&] { return (*counts)["Warning"] == 1; }));
    EXPECT_EQ((*counts)["Normal"], 25);
  }
  events.Stop();
}

// One replica that takes part in an election.
struct Candidate {
  Candidate(ApiClient& client, const std::string& ns, const std::string& identity)
      : elector(client, clock, {.ns = ns, .name = "lease", .identity = identity},
                {.on_started_leading = [this] { Set(true); },
                 .on_stopped_leading = [this] { Set(false); },
                 .on_error = {}}) {}
  void Set(bool value) {
    auto locked = leading.Lock();
    *locked = value;
    locked.NotifyAll();
  }
  bool WaitUntil(bool value, absl::Duration timeout) {
    auto locked = leading.Lock();
    return locked.WaitUntil(absl::Now() + timeout, [&] { return *locked == value; });
  }
  RealClock clock;
  Synchronized<bool> leading{false};
  LeaderElector elector;
};

TEST_F(ApiTest, OneLeadsAndTheOtherTakesOverWhenItStops) {
  Candidate a(*client_, ns_, "a");
  Candidate b(*client_, ns_, "b");
  a.elector.Start();
  ASSERT_TRUE(a.WaitUntil(true, absl::Seconds(5)));
  b.elector.Start();
  EXPECT_FALSE(b.WaitUntil(true, absl::Seconds(6)));
  EXPECT_TRUE(a.WaitUntil(true, absl::ZeroDuration()));
  a.elector.Stop();
  EXPECT_TRUE(a.WaitUntil(false, absl::ZeroDuration()));
  EXPECT_TRUE(b.WaitUntil(true, absl::Seconds(3)));
}

}  // namespace
}  // namespace berth::kube
