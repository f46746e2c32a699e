#pragma once

#include "k8s.io/api/coordination/v1/generated.pb.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

namespace coordination = ::k8s::io::api::coordination::v1;

template <>
struct ResourceOf<coordination::Lease> {
  static constexpr Resource kResource{"coordination.k8s.io", "v1", "leases", "Lease", true};
};

}  // namespace berth::kube
