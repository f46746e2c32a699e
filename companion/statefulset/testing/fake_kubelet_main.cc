// fake-kubelet --kubeconfig FILE: makes every pod of a cluster without nodes Running and Ready,
// until it is told to end.
#include <csignal>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/signals.h"
#include "companion/statefulset/testing/fake_kubelet.h"
#include "kube/config.h"

namespace berth {
namespace {

Status Serve(const std::string& kubeconfig, const SignalWaiter& signals) {
  BERTH_ASSIGN_OR_RETURN(kube::Config config,
                         kube::LoadKubeconfig(kubeconfig, "", std::make_shared<RealClock>()));
  config.field_manager = "fake-kubelet";
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<kube::ApiClient> api,
                         kube::Connect(std::move(config)));
  const statefulset::FakeKubelet kubelet(*api, "");
  signals.Wait();
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("fake-kubelet", "Makes every pod Running and Ready.", BERTH_VERSION);
  std::string kubeconfig;
  flags.AddKubeconfig(kubeconfig);
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  const berth::SignalWaiter signals({SIGTERM, SIGINT});
  const berth::Status status = berth::Serve(kubeconfig, signals);
  if (status.ok()) return 0;
  berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
  return 1;
}
