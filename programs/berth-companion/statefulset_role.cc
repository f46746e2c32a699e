#include "programs/berth-companion/statefulset_role.h"

#include <utility>

namespace berth {

void StatefulSetRole::AddFlags(CLI::App& app) {
  app.add_flag("--take-over-apps-v1", take_over_apps_v1_,
               "keep the StatefulSets of apps/v1, too; only where the built-in controller is off, "
               "which is checked first");
  app.add_option("--takeover-check-s", canary_s_,
                 "seconds for which no other controller may touch a set made to find out")
      ->check(CLI::Range(2, 600))
      ->capture_default_str();
  app.add_option("--statefulset-workers", workers_,
                 "StatefulSets of one kind that are worked on at one moment")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--statefulset-lease", lease_,
                 "name of the Lease that decides which replica works")
      ->capture_default_str();
}

Status StatefulSetRole::Start(const RoleContext& context) {
  statefulset::Ordering::Options options;
  options.lease.ns = context.ns;
  options.lease.name = lease_;
  options.lease.identity = context.instance;
  options.take_over_apps_v1 = take_over_apps_v1_;
  options.canary_time = absl::Seconds(canary_s_);
  options.workers = workers_;
  names_ = std::make_unique<statefulset::ServedNames>(statefulset::ServedNames::Options{
      .replicas =
          [&api = context.api, service = kube::ObjectKey::Parse(context.dns_service)] {
            return statefulset::ListDnsReplicas(api, service);
          },
      .cluster_domain = context.cluster_domain});
  options.name_is_served = [names = names_.get()](const statefulset::StatefulSet& set,
                                                  const statefulset::ObservedPod& pod) {
    return names->IsServed(set, pod);
  };
  ordering_ =
      std::make_unique<statefulset::Ordering>(context.api, context.clock, std::move(options));
  return ordering_->Start();
}

}  // namespace berth
