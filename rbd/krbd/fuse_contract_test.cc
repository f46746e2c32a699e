// The attacher through FUSE keeps the same contract as the kernel's rbd.
#include <cstdlib>
#include <string>

#include "rbd/data/fuse_attacher.h"
#include "rbd/testing/attacher_contract.h"

namespace berth {
namespace {

class FuseWorld {
 public:
  FuseWorld(Connections&, const std::string&) {}
  Attacher& attacher() { return attacher_; }

 private:
  FuseAttacher attacher_{{.clusters = ClusterDirectory(std::getenv("BERTH_CLUSTERS")),
                          .io_command = {BERTH_DATA_PROGRAM, "io", "--log-level", "error"},
                          .on_event = [](const VolumeHandle&, const std::string&) {}}};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fuse, AttacherContract, FuseWorld);

}  // namespace
}  // namespace berth
