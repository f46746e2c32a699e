#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "base/status.h"
#include "kube/client.h"

namespace berth {

// The API server and namespace that a person's command is about, chosen as kubectl chooses them.
class Connection {
 public:
  // --kubeconfig, --context, --namespace
  void AddFlags(CLI::App& command);

  // NOT_FOUND when nothing says where the API server is; INVALID_ARGUMENT when KUBECONFIG names
  // several files; else the errors of kube::LoadKubeconfig.
  Status Open();

  // After Open.
  kube::ApiClient& api() { return *api_; }
  const std::string& ns() const { return namespace_; }

 private:
  StatusOr<kube::Config> ReadConfig() const;

  std::string kubeconfig_;
  std::string context_;
  std::string namespace_;
  std::unique_ptr<kube::ApiClient> api_;
};

}  // namespace berth
