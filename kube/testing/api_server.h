#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/process.h"
#include "base/status.h"
#include "kube/client.h"
#include "kube/config.h"

namespace berth::kube {

// A real etcd and kube-apiserver on loopback in a temporary directory, for tests. The kernel ends
// both when the test program dies, however it dies. The environment says where they are:
// BERTH_KUBE_BIN is the directory of kube-apiserver, BERTH_ETCD the program. No controllers run:
// what kube-controller-manager would do (binding, protection finalizers), the test does.
class TestApiServer {
 public:
  // Blocks until the API answers, up to a minute. FAILED_PRECONDITION without those two.
  static StatusOr<std::unique_ptr<TestApiServer>> Start();
  ~TestApiServer();

  // A client with all rights.
  std::unique_ptr<ApiClient> Client() const;
  const Config& config() const { return config_; }
  // A file that gives a program the same rights; it lives as long as this object.
  std::string kubeconfig() const { return directory_ + "/kubeconfig"; }
  // For files of the test's; removed with this object.
  const std::string& directory() const { return directory_; }
  // Ends kube-apiserver and brings it up again on the same port with the same data.
  Status Restart();

 private:
  explicit TestApiServer(std::string directory) : directory_(std::move(directory)) {}
  Status StartEtcd();
  Status StartApiServer();
  Status WaitUntilReady();
  void WriteKubeconfig() const;
  std::string LogTail(const std::string& program) const;

  const std::string directory_;
  std::string program_;
  std::string etcd_program_;
  int etcd_port_ = 0;
  int port_ = 0;
  Config config_;
  std::optional<ChildProcess> etcd_;
  std::optional<ChildProcess> api_server_;
};

}  // namespace berth::kube
