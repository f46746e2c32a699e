// The informer against scripted streams: what a real server does only now and then.
#include "kube/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "kube/api_error.h"
#include "kube/core_v1.h"

namespace berth::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::string Raw(const std::string& name, const std::string& version) {
  core::ConfigMap map;
  map.mutable_metadata()->set_name(name);
  map.mutable_metadata()->set_resourceversion(version);
  return map.SerializeAsString();
}

WatchEvent Added(const std::string& name, const std::string& version) {
  return {WatchEvent::Type::kAdded, Raw(name, version)};
}
WatchEvent Bookmark(const std::string& version, bool initial_events_end) {
  core::ConfigMap map;
  map.mutable_metadata()->set_resourceversion(version);
  if (initial_events_end) {
    (*map.mutable_metadata()->mutable_annotations())["k8s.io/initial-events-end"] = "true";
  }
  return {WatchEvent::Type::kBookmark, map.SerializeAsString()};
}
Status Gone() {
  meta::Status status;
  status.set_code(410);
  return ErrorFromStatus(status, "watch");
}

// Each watch plays the next stream and ends with its status; after the last one it waits for the
// end. Lists have one answer.
class ScriptedClient final : public ApiClient {
 public:
  struct Stream {
    std::vector<WatchEvent> events;
    Status end;
  };
  Status Watch(const WatchRequest& request, const std::function<Status(WatchEvent)>& event,
               const Cancellation& cancel) override {
    asked.push_back(request.send_initial_events ? "initial" : request.resource_version);
    if (streams.empty()) {
      cancel.WaitFor(absl::Minutes(1));
      return absl::CancelledError("");
    }
    const Stream stream = streams.front();
    streams.pop_front();
    for (const WatchEvent& next : stream.events) BERTH_RETURN_IF_ERROR(event(next));
    return stream.end;
  }
  std::deque<Stream> streams;
  std::string list;
  std::vector<std::string> asked;  // how each watch began

 protected:
  StatusOr<std::string> Call(const ApiRequest&) override { return list; }
};

class InformerTest : public ::testing::Test {
 protected:
  // Runs until `changes` changes were seen; what they were.
  std::vector<std::string> Run(size_t changes) {
    Informer<core::ConfigMap> informer(client_, {});
    Synchronized<std::vector<std::string>> seen;
    informer.AddHandler([&](const auto& change) {
      auto locked = seen.Lock();
      locked->push_back((change.before == nullptr  ? "+"
                         : change.after == nullptr ? "-"
                                                   : "~") +
                        change.key().name);
      locked.NotifyAll();
    });
    informer.Start();
    EXPECT_TRUE(informer.WaitForSync(absl::Now() + absl::Seconds(10)).ok());
    {
      auto locked = seen.Lock();
      EXPECT_TRUE(locked.WaitUntil(absl::Now() + absl::Seconds(10),
                                   [&] { return locked->size() >= changes; }));
    }
    informer.Stop();
    return *seen.Lock();
  }
  ScriptedClient client_;
};

TEST_F(InformerTest, AWatchListIsSyncedAtItsBookmarkAndResumedFromTheLastVersion) {
  client_.streams = {{{Added("a", "3"), Added("b", "1"), Bookmark("5", true), Added("c", "6"),
                       Bookmark("9", false)},
                      absl::UnavailableError("cut")}};
  EXPECT_THAT(Run(3), ElementsAre("+a", "+b", "+c"));
  EXPECT_EQ(client_.asked.front(), "initial");
}

TEST_F(InformerTest, AStreamThatIsCutResumesAndOneThatIsGoneListsAnew) {
  client_.streams = {
      {{Added("a", "1"), Added("b", "2"), Bookmark("5", true)}, absl::UnavailableError("cut")},
      {{Added("c", "6")}, Gone()},
      // What happened meanwhile: a is gone, b is the same, c changed, d is new.
      {{Added("b", "2"), Added("c", "8"), Added("d", "9"), Bookmark("9", true)}, absl::OkStatus()}};
  EXPECT_THAT(Run(6), ElementsAre("+a", "+b", "+c", "~c", "+d", "-a"));
  ASSERT_GE(client_.asked.size(), 3u);
  EXPECT_EQ(client_.asked[0], "initial");
  EXPECT_EQ(client_.asked[1], "5");
  EXPECT_EQ(client_.asked[2], "initial");
}

TEST_F(InformerTest, AListThatBreaksHalfWayForgetsNothing) {
  client_.streams = {
      {{Added("a", "1"), Added("b", "2"), Bookmark("5", true)}, Gone()},
      {{Added("b", "2")}, absl::UnavailableError("cut")},
      {{Added("a", "1"), Added("b", "2"), Added("c", "6"), Bookmark("6", true)}, absl::OkStatus()}};
  EXPECT_THAT(Run(3), ElementsAre("+a", "+b", "+c"));
}

TEST_F(InformerTest, WithoutWatchListThePagesAreReadAndTheirVersionIsWatched) {
  client_.streams = {{{}, absl::InvalidArgumentError("sendInitialEvents is forbidden")},
                     {{Added("c", "8")}, absl::OkStatus()}};
  core::ConfigMapList list;
  list.mutable_metadata()->set_resourceversion("7");
  list.add_items()->ParseFromString(Raw("a", "1"));
  list.add_items()->ParseFromString(Raw("b", "2"));
  client_.list = list.SerializeAsString();
  EXPECT_THAT(Run(3), UnorderedElementsAre("+a", "+b", "+c"));
  ASSERT_GE(client_.asked.size(), 2u);
  EXPECT_EQ(client_.asked[1], "7");
}

}  // namespace
}  // namespace berth::kube
