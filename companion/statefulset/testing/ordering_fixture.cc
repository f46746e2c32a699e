#include "companion/statefulset/testing/ordering_fixture.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "kube/apps_v1.h"
#include "kube/json_fields.h"

namespace berth::statefulset {
namespace {

using nlohmann::json;

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

}  // namespace

std::unique_ptr<kube::TestApiServer> OrderingFixture::server_;

void OrderingFixture::SetUpTestSuite() {
  StatusOr<std::unique_ptr<kube::TestApiServer>> started = kube::TestApiServer::Start();
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
}

void OrderingFixture::TearDownTestSuite() { server_.reset(); }

void OrderingFixture::SetUp() {
  ASSERT_NE(server_, nullptr);
  api_ = server_->Client();
  kube::core::Namespace ns;
  ns.mutable_metadata()->set_generatename("sets-");
  const StatusOr<kube::core::Namespace> created = api_->Create(ns);
  ASSERT_TRUE(created.ok()) << created.status();
  ns_ = created->metadata().name();
  kubelet_.emplace(*api_, ns_);
}

void OrderingFixture::TearDown() {
  ordering_.reset();
  kubelet_.reset();
  // The next test takes over with sets of its own.
  api_->DeleteJson(kAppsStatefulSets, {ns_, "web"}).IgnoreError();
}

Ordering::Options OrderingFixture::OwnOptions(const std::string& instance) const {
  Ordering::Options options;
  options.lease.ns = ns_;
  options.lease.name = "ordering";
  options.lease.identity = instance;
  options.take_over_apps_v1 = true;
  options.canary_time = absl::Seconds(2);
  return options;
}

void OrderingFixture::StartOrdering(Ordering::Options options) {
  ordering_ = std::make_unique<Ordering>(*api_, clock_, std::move(options));
  ASSERT_TRUE(ordering_->Start().ok());
}

json OrderingFixture::Web(int replicas) {
  const json labels = {{"app", "web"}};
  return {{"metadata", {{"name", "web"}}},
          {"spec",
           {{"replicas", replicas},
            {"serviceName", "nginx"},
            {"selector", {{"matchLabels", labels}}},
            {"template",
             {{"metadata", {{"labels", labels}}},
              {"spec",
               {{"terminationGracePeriodSeconds", 0},
                {"containers",
                 {{{"name", "nginx"},
                   {"image", "nginx:1"},
                   {"volumeMounts", {{{"name", "www"}, {"mountPath", "/www"}}}}}}}}}}},
            {"volumeClaimTemplates",
             {{{"metadata", {{"name", "www"}}},
               {"spec",
                {{"accessModes", {"ReadWriteOnce"}},
                 {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}}}}}}};
}

kube::JsonObject OrderingFixture::Create(json set) {
  set["metadata"]["namespace"] = ns_;
  StatusOr<kube::JsonObject> created = api_->CreateJson(kAppsStatefulSets, std::move(set));
  EXPECT_TRUE(created.ok()) << created.status();
  return created.ok() ? *created : kube::JsonObject();
}

void OrderingFixture::Change(const json& patch) {
  const auto changed =
      api_->PatchJson(kAppsStatefulSets, {ns_, "web"}, kube::PatchType::kMerge, patch);
  ASSERT_TRUE(changed.ok()) << changed.status();
}

json OrderingFixture::WebNow() {
  const StatusOr<kube::JsonObject> set = api_->GetJson(kAppsStatefulSets, {ns_, "web"});
  return set.ok() ? set->body() : json();
}

template <typename T>
static std::vector<std::string> Names(kube::ApiClient& api, const std::string& ns) {
  std::vector<std::string> names;
  const auto listed = api.ForEach<T>({.ns = ns}, [&](const T& object) {
    if (!object.metadata().has_deletiontimestamp()) names.push_back(object.metadata().name());
    return absl::OkStatus();
  });
  EXPECT_TRUE(listed.ok()) << listed.status();
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> OrderingFixture::Pods() { return Names<kube::core::Pod>(*api_, ns_); }
std::vector<std::string> OrderingFixture::Claims() {
  return Names<kube::core::PersistentVolumeClaim>(*api_, ns_);
}
std::vector<std::string> OrderingFixture::Revisions() {
  return Names<kube::apps::ControllerRevision>(*api_, ns_);
}

kube::core::Pod OrderingFixture::Pod(const std::string& name) {
  return api_->Get<kube::core::Pod>({ns_, name}).value_or(kube::core::Pod());
}

std::string OrderingFixture::ImageOf(const std::string& name) {
  const kube::core::Pod pod = Pod(name);
  return pod.spec().containers_size() == 0 ? "" : pod.spec().containers(0).image();
}

int OrderingFixture::Number(const std::string& name) {
  return static_cast<int>(kube::NumberIn(kube::Member(WebNow(), "status"), name).value_or(0));
}

std::string OrderingFixture::Condition(const std::string& type) {
  const json set = WebNow();
  for (const json& condition : kube::Member(kube::Member(set, "status"), "conditions")) {
    if (kube::TextIn(condition, "type") == type) return kube::TextIn(condition, "status");
  }
  return "";
}

bool OrderingFixture::Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(kPoll);
  }
  return true;
}

bool OrderingFixture::HasEvent(const std::string& reason) {
  bool found = false;
  const auto listed =
      api_->ForEach<kube::core::Event>({.ns = ns_}, [&](const kube::core::Event& event) -> Status {
        found = found || event.reason() == reason;
        return absl::OkStatus();
      });
  return listed.ok() && found;
}

}  // namespace berth::statefulset
