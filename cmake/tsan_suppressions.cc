// Compiled into every program of the preset tsan, so that child processes have it too.

// The name is the sanitizer's.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions();

// Libraries that are not compiled with the sanitizer: it does not see how they synchronise, and
// takes each hand-over between their threads for a race. The tests named are client and server in
// one program: gRPC's reply is what orders the test's body after the server's.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libabsl_\n"
         "race:libgrpc\n"
         "race:^grpc::\n"
         "race:libgpr\n"
         "race:libprotobuf\n"
         "race:librados\n"
         "race:librbd\n"
         "race:libceph-common\n"
         "race:csi/rpc_test.cc\n"
         "race:csi/server_test.cc\n"
         "race:csi/controller/controller_service_test.cc\n"
         "race:csi/registration/kubelet_registration_test.cc\n";
}
