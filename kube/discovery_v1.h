#pragma once

#include "k8s.io/api/discovery/v1/generated.pb.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

namespace discovery = ::k8s::io::api::discovery::v1;

template <>
struct ResourceOf<discovery::EndpointSlice> {
  static constexpr Resource kResource{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice",
                                      true};
};

}  // namespace berth::kube
