#pragma once

#include "k8s.io/api/storage/v1/generated.pb.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

namespace storage = ::k8s::io::api::storage::v1;

template <>
struct ResourceOf<storage::StorageClass> {
  static constexpr Resource kResource{"storage.k8s.io", "v1", "storageclasses", "StorageClass",
                                      false};
};
template <>
struct ResourceOf<storage::VolumeAttachment> {
  static constexpr Resource kResource{"storage.k8s.io", "v1", "volumeattachments",
                                      "VolumeAttachment", false};
};
template <>
struct ResourceOf<storage::CSINode> {
  static constexpr Resource kResource{"storage.k8s.io", "v1", "csinodes", "CSINode", false};
};

}  // namespace berth::kube
