// berth-node: mounts volumes into the pods of its node. Identity and Node services of CSI on one
// socket, the kubelet's registration on another. It may end at any time: mounts stay, and a new one
// goes on from records and mount table.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/core_files.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/periodic_task.h"
#include "base/signals.h"
#include "csi/identity_service.h"
#include "csi/node/node_service.h"
#include "csi/registration/kubelet_registration.h"
#include "csi/rpc.h"
#include "csi/server.h"
#include "programs/berth-node/announcer.h"
#include "programs/berth-node/gone_instances.h"
#include "rbd/confirming_attacher.h"
#include "rbd/connections.h"
#include "rbd/data/client.h"
#include "rbd/data/descriptor_keeper.h"
#include "rbd/data/instance_file.h"
#include "rbd/formatting.h"
#include "rbd/krbd/krbd_attacher.h"
#include "rbd/mounter_choice.h"
#include "rbd/nodes.h"

namespace berth {
namespace {

constexpr std::chrono::seconds kCephTimeout{20};
constexpr absl::Duration kEndTimeout = absl::Seconds(5);

struct Options {
  std::string csi_endpoint;
  std::string node_id;
  std::string clusters;
  std::string data_socket;
  std::string mounter = "auto";
  std::string registration_dir;
  std::string state_dir = "/var/lib/kubelet/plugins/rbd.berth.storage/state";
  std::string boot_id_file = "/proc/sys/kernel/random/boot_id";
};

void AddFlags(Flags& flags, Options& options) {
  flags.AddCsiEndpoint(options.csi_endpoint);
  flags.AddNodeId(options.node_id);
  flags.AddClusters(options.clusters);
  flags.AddDataSocket(options.data_socket);
  flags.app()
      .add_option("--mounter", options.mounter,
                  "how images become devices: krbd (the kernel's rbd), fuse (berth-data), or auto: "
                  "krbd where it can be used")
      ->check(CLI::IsMember({"auto", "krbd", "fuse"}))
      ->capture_default_str();
  flags.app().add_option(
      "--registration-dir", options.registration_dir,
      "the kubelet's plugins_registry, to register there; absent: not registered");
  flags.app()
      .add_option("--state-dir", options.state_dir,
                  "directory of what is staged on this node; must outlive the pod")
      ->capture_default_str();
  flags.app()
      .add_option("--boot-id-file", options.boot_id_file,
                  "file whose content changes when the node boots")
      ->capture_default_str();
}

StatusOr<std::string> ReadBootId(const std::string& path) {
  std::ifstream file(path);
  std::string boot_id;
  if (!std::getline(file, boot_id) || boot_id.empty()) {
    return absl::InvalidArgumentError("--boot-id-file " + path +
                                      " cannot be read or is empty; name one that can");
  }
  return boot_id;
}

// The process is configured when it knows a cluster; whether the cluster answers is not asked.
Status CheckConfigured(const ClusterDirectory& clusters) {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, clusters.Aliases());
  if (!aliases.empty()) return absl::OkStatus();
  return absl::NotFoundError(
      "--clusters holds no cluster: make a folder with ceph.conf and keyring");
}

StatusOr<Mounter> ChooseAndSayWhy(const std::string& wanted, const RbdBus& bus) {
  BERTH_ASSIGN_OR_RETURN(const ChosenMounter chosen,
                         ChooseMounter(*ParseMounter(wanted), bus.CheckUsable()));
  LogLine("mounter")
      .Field("mounter", chosen.mounter == Mounter::kKrbd ? "krbd" : "fuse")
      .Field("why", chosen.why)
      .Write(spdlog::level::info);
  return chosen.mounter;
}

// Calls to Ceph, mount and mkfs cannot be stopped, but the process may end all the same: what they
// leave half done is in the stage records.
void EndAtOnceIfBusy(const RpcRunner& rpcs, bool announcing) {
  if (rpcs.running() == 0 && !announcing) return;
  LogLine("ending while calls run; they are gone on with when they are repeated")
      .Field("running", static_cast<int64_t>(rpcs.running()))
      .Write(spdlog::level::warn);
  std::_Exit(0);
}

// Without it CSI works all the same; only the end of berth-data would cost I/O errors.
std::unique_ptr<DescriptorKeeper> KeepDescriptors(const std::string& data_socket) {
  StatusOr<std::unique_ptr<DescriptorKeeper>> keeper = DescriptorKeeper::Start(data_socket);
  if (keeper.ok()) return *std::move(keeper);
  LogLine("cannot keep berth-data's descriptors; if it dies, devices will answer I/O errors")
      .Field("error", std::string(keeper.status().message()))
      .Write(spdlog::level::warn);
  return nullptr;
}

Status Serve(const Options& options) {
  KeepSecretsOutOfCoreFiles();
  const SignalWaiter signals({SIGTERM, SIGINT});
  BERTH_ASSIGN_OR_RETURN(const std::string csi_socket, UnixSocketPath(options.csi_endpoint));
  BERTH_ASSIGN_OR_RETURN(const std::string boot_id, ReadBootId(options.boot_id_file));
  BERTH_ASSIGN_OR_RETURN(StageRecords records, StageRecords::Open(options.state_dir));

  const std::unique_ptr<DescriptorKeeper> keeper = KeepDescriptors(options.data_socket);
  const RealClock clock;
  Connections connections(ClusterDirectory(options.clusters), kCephTimeout);
  BERTH_RETURN_IF_ERROR(CheckConfigured(connections.clusters()));
  Formatting formatting(connections);
  const RbdBus bus;
  BERTH_ASSIGN_OR_RETURN(const Mounter mounter, ChooseAndSayWhy(options.mounter, bus));
  DataPathClient fuse(options.data_socket);
  KrbdAttacher krbd(connections, bus, boot_id);
  MounterChoice choice =
      mounter == Mounter::kKrbd ? MounterChoice(krbd, fuse) : MounterChoice(fuse, krbd);
  ConfirmingAttacher attacher(
      choice, connections, [](const VolumeHandle& volume, const Status& why) {
        LogLine(
            "could not look whether a detached client was fenced; a fence stays until this node "
            "boots")
            .Field("volume", volume.ToString())
            .Field("error", std::string(why.message()))
            .Write(spdlog::level::warn);
      });
  RpcRunner rpcs;
  IdentityService identity(rpcs, BERTH_VERSION,
                           [&] { return CheckConfigured(connections.clusters()); });
  NodeService node(rpcs, {.node_id = options.node_id, .boot_id = boot_id}, std::move(records),
                   attacher, formatting);
  BERTH_ASSIGN_OR_RETURN(UnixServer server, UnixServer::Start(csi_socket, {&identity, &node}));

  KubeletRegistrationService registration(rpcs, csi_socket, [](const std::string& why) {
    LogLine("the kubelet did not take this plugin").Field("error", why).Write(spdlog::level::err);
  });
  std::optional<UnixServer> registration_server;
  if (!options.registration_dir.empty()) {
    BERTH_ASSIGN_OR_RETURN(
        UnixServer started,
        UnixServer::Start(RegistrationSocketPath(options.registration_dir), {&registration}));
    registration_server.emplace(std::move(started));
  }
  Nodes nodes(connections, clock);
  NodeAnnouncer announcer(
      nodes, {.node_id = options.node_id, .boot_id = boot_id, .version = BERTH_VERSION});
  const PeriodicTask gone_instances(
      [&] { return ConfirmGoneInstances(InstanceFilesPath(options.data_socket), connections); });
  LogLine("serving").Field("socket", csi_socket).Write(spdlog::level::info);

  const int signal = signals.Wait();
  LogLine("asked to end; mounts stay").Field("signal", signal).Write(spdlog::level::info);
  const absl::Time deadline = absl::Now() + kEndTimeout;
  if (registration_server) registration_server->Shutdown(deadline);
  server.Shutdown(deadline);
  EndAtOnceIfBusy(rpcs, !announcer.End(deadline));
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("berth-node", "Mounts Ceph RBD volumes into the pods of this node",
                     BERTH_VERSION);
  berth::Options options;
  berth::AddFlags(flags, options);
  if (const auto exit_code = flags.Parse(argc, argv)) return *exit_code;
  if (const berth::Status status = berth::Serve(options); !status.ok()) {
    berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
    return 1;
  }
  return 0;
}
