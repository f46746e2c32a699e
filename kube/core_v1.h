#pragma once

#include "k8s.io/api/core/v1/generated.pb.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

namespace core = ::k8s::io::api::core::v1;

template <>
struct ResourceOf<core::PersistentVolumeClaim> {
  static constexpr Resource kResource{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim",
                                      true};
};
template <>
struct ResourceOf<core::PersistentVolume> {
  static constexpr Resource kResource{"", "v1", "persistentvolumes", "PersistentVolume", false};
};
template <>
struct ResourceOf<core::Pod> {
  static constexpr Resource kResource{"", "v1", "pods", "Pod", true};
};
template <>
struct ResourceOf<core::Secret> {
  static constexpr Resource kResource{"", "v1", "secrets", "Secret", true};
};
template <>
struct ResourceOf<core::ConfigMap> {
  static constexpr Resource kResource{"", "v1", "configmaps", "ConfigMap", true};
};
template <>
struct ResourceOf<core::Namespace> {
  static constexpr Resource kResource{"", "v1", "namespaces", "Namespace", false};
};
template <>
struct ResourceOf<core::Service> {
  static constexpr Resource kResource{"", "v1", "services", "Service", true};
};
template <>
struct ResourceOf<core::Event> {
  static constexpr Resource kResource{"", "v1", "events", "Event", true};
};

}  // namespace berth::kube
