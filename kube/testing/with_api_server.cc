// with_api_server COMMAND...: runs a command beside an etcd and a kube-apiserver of its own. It
// finds kubectl in PATH, and KUBECONFIG gives it all rights. The exit code is the command's.
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/process.h"
#include "kube/testing/api_server.h"

namespace berth::kube {
namespace {

StatusOr<int> Run(std::vector<std::string> command) {
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<TestApiServer> server, TestApiServer::Start());
  const char* path = std::getenv("PATH");
  std::vector<std::string> argv = {
      "env", "KUBECONFIG=" + server->kubeconfig(),
      fmt::format("PATH={}:{}", std::getenv("BERTH_KUBE_BIN"), path == nullptr ? "" : path)};
  argv.insert(argv.end(), command.begin(), command.end());
  BERTH_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(argv, {}));
  return child.Wait(absl::InfiniteFuture());
}

}  // namespace
}  // namespace berth::kube

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("with_api_server: name the command to run\n", stderr);
    return 2;
  }
  const berth::StatusOr<int> code =
      berth::kube::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (code.ok()) return *code;
  std::fputs(fmt::format("with_api_server: {}\n", code.status().ToString()).c_str(), stderr);
  return 1;
}
