#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "companion/statefulset/ordering.h"
#include "companion/statefulset/testing/fake_kubelet.h"
#include "kube/client.h"
#include "kube/json_object.h"
#include "kube/testing/api_server.h"

namespace berth::statefulset {

// The ordering role on a real API server, in a namespace of its own; pods run by FakeKubelet.
class OrderingFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  // Takes apps/v1 over, with a short look for rivals.
  Ordering::Options OwnOptions(const std::string& instance = "one") const;
  void StartOrdering(Ordering::Options options);

  // An apps/v1 set "web" whose pods have the label app=web and a claim "www".
  static nlohmann::json Web(int replicas);
  kube::JsonObject Create(nlohmann::json set);
  // A merge patch of the set "web".
  void Change(const nlohmann::json& patch);
  nlohmann::json WebNow();

  std::vector<std::string> Pods();  // names, sorted
  std::vector<std::string> Claims();
  kube::core::Pod Pod(const std::string& name);
  std::string PodUid(const std::string& name) { return Pod(name).metadata().uid(); }
  std::string ImageOf(const std::string& pod);  // empty while there is no such pod
  std::vector<std::string> Revisions();         // names
  // The status's number of that name.
  int Number(const std::string& name);
  // The status of the set's condition, empty without one.
  std::string Condition(const std::string& type);
  // True once the condition holds; false after a minute.
  static bool Eventually(const std::function<bool()>& condition);
  bool HasEvent(const std::string& reason);

  static std::unique_ptr<kube::TestApiServer> server_;
  std::unique_ptr<kube::ApiClient> api_;
  RealClock clock_;
  std::string ns_;
  std::optional<FakeKubelet> kubelet_;
  std::unique_ptr<Ordering> ordering_;
};

}  // namespace berth::statefulset
