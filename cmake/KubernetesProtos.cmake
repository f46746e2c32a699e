# kubernetes_proto: the API's messages, for which include "k8s.io/<module>/<package>/generated.pb.h".
# The protos name each other as k8s.io/api/... and k8s.io/apimachinery/..., so the import root is a
# directory in the build tree with these two names.
set(kubernetes_proto_root ${CMAKE_BINARY_DIR}/kubernetes_protos)
foreach(module api apimachinery)
  go_module_dir(module_dir k8s.io/${module})
  file(MAKE_DIRECTORY ${kubernetes_proto_root}/k8s.io)
  file(CREATE_LINK ${module_dir} ${kubernetes_proto_root}/k8s.io/${module} SYMBOLIC)
endforeach()

# The lite runtime keeps unknown fields, so objects of a newer API server survive an update, and
# leaves out descriptors that nothing here needs.
proto_library(kubernetes_proto ROOT ${kubernetes_proto_root} LITE PROTOS
  k8s.io/api/apps/v1/generated.proto
  k8s.io/api/coordination/v1/generated.proto
  k8s.io/api/core/v1/generated.proto
  k8s.io/api/discovery/v1/generated.proto
  k8s.io/api/storage/v1/generated.proto
  k8s.io/apimachinery/pkg/api/resource/generated.proto
  k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto
  k8s.io/apimachinery/pkg/runtime/generated.proto
  k8s.io/apimachinery/pkg/runtime/schema/generated.proto
  k8s.io/apimachinery/pkg/util/intstr/generated.proto)
