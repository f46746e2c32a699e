#pragma once

#include <prometheus/collectable.h>

#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "kube/client.h"

namespace berth {

// What roles are started with; all of it outlives them.
struct RoleContext {
  kube::ApiClient& api;
  const Clock& clock;
  std::string ns;        // of this replica
  std::string instance;  // this replica's name
  std::string cluster_domain;
  std::string dns_service;  // namespace/name of the Service that leads to the cluster's DNS
};

// One of the things that berth-companion does. Called by the main thread, but for Ready.
class Role {
 public:
  virtual ~Role() = default;
  virtual void AddFlags(CLI::App& app) = 0;
  // Reads what the flags say and begins. INVALID_ARGUMENT names a flag that cannot work.
  virtual Status Start(const RoleContext& context) = 0;
  virtual void Stop() = 0;

  // Between Start and Stop. Thread-safe.
  virtual Status Ready() = 0;
  virtual std::shared_ptr<prometheus::Collectable> metrics() = 0;
  // How long to go on after SIGTERM, not ready any more, because somebody still comes.
  virtual absl::Duration shutdown_delay() const { return absl::ZeroDuration(); }
};

}  // namespace berth
