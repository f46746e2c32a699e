#pragma once

#include "k8s.io/apimachinery/pkg/apis/meta/v1/generated.pb.h"

namespace berth::kube {

namespace meta = ::k8s::io::apimachinery::pkg::apis::meta::v1;

}  // namespace berth::kube
