#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/synchronized.h"
#include "csi.grpc.pb.h"

namespace berth::provisioner {

// A CSI driver in memory, served over real gRPC, for tests. It remembers volumes by name and where
// they are published, and fails on demand, before or after the call had its effect.
class TestCsiServer {
 public:
  struct Volume {
    std::string id;
    csi::v1::CreateVolumeRequest request;
    std::set<std::string> published_to;
  };
  // The next call of `method` ("CreateVolume", ...) ends with `code`; `takes_effect`: after it was
  // carried out, so that only its answer is lost.
  struct Fault {
    std::string method;
    grpc::StatusCode code;
    std::string message = "a fault that the test asked for";
    bool takes_effect = false;
  };
  struct State {
    std::map<std::string, Volume> volumes;  // by name
    std::deque<Fault> faults;
    std::multiset<std::string> held;  // methods whose calls wait until they are let go
    std::vector<std::string> calls;   // "CreateVolume pvc-1"
  };

  TestCsiServer();
  ~TestCsiServer();

  std::shared_ptr<grpc::Channel> Channel() const { return channel_; }
  std::string name() const { return "test.csi.example.com"; }

  void Fail(const Fault& fault) { state_.Lock()->faults.push_back(fault); }
  // Calls of `method` hang until LetGo, their caller's deadline or cancellation.
  void Hold(const std::string& method) { state_.Lock()->held.insert(method); }
  void LetGo(const std::string& method);

  // Waits until `condition` holds, for at most 30 s.
  bool WaitUntil(const std::function<bool(const State&)>& condition);
  std::vector<std::string> VolumeNames();
  size_t Count(const std::string& call);

 private:
  class Identity;
  class Controller;
  Synchronized<State> state_;
  std::unique_ptr<Identity> identity_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace berth::provisioner
