#pragma once

#include "k8s.io/api/apps/v1/generated.pb.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

namespace apps = ::k8s::io::api::apps::v1;

template <>
struct ResourceOf<apps::ControllerRevision> {
  static constexpr Resource kResource{"apps", "v1", "controllerrevisions", "ControllerRevision",
                                      true};
};

}  // namespace berth::kube
