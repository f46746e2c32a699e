#include "programs/berth/connection.h"

#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "kube/config.h"

namespace berth {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The file that kubectl would read; empty when there is none.
StatusOr<std::string> DefaultKubeconfig() {
  std::vector<std::string> files;
  for (std::string& file : std::vector<std::string>(
           absl::StrSplit(Environment("KUBECONFIG"), ':', absl::SkipEmpty()))) {
    if (std::filesystem::exists(file)) files.push_back(std::move(file));
  }
  if (files.size() > 1) {
    return absl::InvalidArgumentError(
        "KUBECONFIG names several files, which are not merged here: name one with --kubeconfig");
  }
  if (!files.empty()) return files.front();
  const std::string file = Environment("HOME") + "/.kube/config";
  return std::filesystem::exists(file) ? file : "";
}

}  // namespace

void Connection::AddFlags(CLI::App& command) {
  command
      .add_option("--kubeconfig", kubeconfig_,
                  "file that says how to reach the API server; absent: as kubectl finds it")
      ->check(CLI::ExistingFile);
  command.add_option("--context", context_, "context of that file; absent: the current one");
  command.add_option("-n,--namespace", namespace_, "namespace of the set; absent: the context's");
}

StatusOr<kube::Config> Connection::ReadConfig() const {
  std::string file = kubeconfig_;
  if (file.empty()) {
    BERTH_ASSIGN_OR_RETURN(file, DefaultKubeconfig());
  }
  if (!file.empty()) {
    return kube::LoadKubeconfig(file, context_, std::make_shared<RealClock>());
  }
  StatusOr<kube::Config> config = kube::InClusterConfig();
  if (!absl::IsNotFound(config.status())) return config;
  return absl::NotFoundError(
      "nothing says where the API server is: give --kubeconfig FILE, or set KUBECONFIG");
}

Status Connection::Open() {
  BERTH_ASSIGN_OR_RETURN(kube::Config config, ReadConfig());
  if (namespace_.empty()) namespace_ = config.default_namespace;
  BERTH_ASSIGN_OR_RETURN(api_, kube::Connect(std::move(config)));
  return absl::OkStatus();
}

}  // namespace berth
