# csi_proto: the messages and services of the CSI specification. Include "csi.pb.h" and "csi.grpc.pb.h".
go_module_dir(csi_spec_dir github.com/container-storage-interface/spec)
proto_library(csi_proto ROOT ${csi_spec_dir} GRPC PROTOS csi.proto)
