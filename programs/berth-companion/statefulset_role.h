#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "companion/statefulset/ordering.h"
#include "companion/statefulset/served_names.h"
#include "programs/berth-companion/role.h"

namespace berth {

// The role `statefulset`: pods in their turn.
class StatefulSetRole final : public Role {
 public:
  void AddFlags(CLI::App& app) override;
  Status Start(const RoleContext& context) override;
  void Stop() override { ordering_.reset(); }
  Status Ready() override { return ordering_->Ready(); }
  std::shared_ptr<prometheus::Collectable> metrics() override { return ordering_->metrics(); }

 private:
  bool take_over_apps_v1_ = false;
  int canary_s_ = 30;
  int workers_ = 4;
  std::string lease_ = "berth-companion-statefulset";

  std::unique_ptr<statefulset::ServedNames> names_;
  std::unique_ptr<statefulset::Ordering> ordering_;  // after the names, which it asks for
};

}  // namespace berth
