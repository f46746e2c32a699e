// berth-data: makes images block devices of this node and keeps them served while berth-node
// restarts or is upgraded.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/core_files.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/periodic_task.h"
#include "base/signals.h"
#include "rbd/data/data_path_service.h"
#include "rbd/data/fuse_attacher.h"
#include "rbd/data/handover.h"
#include "rbd/data/instance_file.h"
#include "rbd/data/io_process.h"
#include "rbd/data/keeper_client.h"

namespace berth {
namespace {

constexpr std::string_view kIoCommand = "io";  // hidden: berth-data starts itself with it

constexpr absl::Duration kTakeOverTimeout = absl::Seconds(30);
constexpr absl::Duration kLookAtKeyrings = absl::Seconds(2);

// Devices stay when this program is asked to end: their users would get I/O errors. So it goes on
// until they are detached, and only refuses new ones.
void WaitForEnd(const SignalWaiter& signals, FuseAttacher& attacher) {
  const int signal = signals.Wait();
  attacher.RefuseAttach();
  if (attacher.WaitUntilEmpty(absl::InfinitePast())) return;
  LogLine("asked to end, and goes on serving until every device is detached")
      .Field("signal", signal)
      .Write(spdlog::level::warn);
  attacher.WaitUntilEmpty(absl::InfiniteFuture());
}

void LogCall(const std::string& name, const std::string& volume, const Status& status) {
  LogLine line(name);
  if (!volume.empty()) line.Field("volume", volume);
  line.Field("code", absl::StatusCodeToString(status.code()));
  if (!status.ok()) line.Field("error", std::string(status.message()));
  const bool routine = status.ok() && name == "List";
  line.Write(!status.ok() ? spdlog::level::warn
             : routine    ? spdlog::level::debug
                          : spdlog::level::info);
}

// An I/O process logs as we do.
std::vector<std::string> IoCommand(const LogOptions& log) {
  return {"/proc/self/exe", std::string(kIoCommand),
          "--log-level",    log.level,
          "--log-format",   log.format == LogFormat::kJson ? "json" : "text"};
}

int RunIo(int argc, char** argv) {
  Flags flags("berth-data io", "An I/O process of berth-data", BERTH_VERSION);
  if (const auto exit_code = flags.Parse(argc, argv)) return *exit_code;
  return RunIoProcess();
}

void LogEvent(const std::string& what) { LogLine(what).Write(spdlog::level::info); }

// Goes on with the volumes of the berth-data that ran before.
Status Adopt(std::vector<HeldVolume> volumes, FuseAttacher& attacher) {
  for (HeldVolume& volume : volumes) {
    const std::string name = volume.state.request().volume();
    BERTH_RETURN_IF_ERROR(Annotate(attacher.Adopt(std::move(volume)), name));
    LogLine("goes on with what another berth-data attached")
        .Field("volume", name)
        .Write(spdlog::level::info);
  }
  return absl::OkStatus();
}

struct Options {
  std::string data_socket;
  std::string clusters;
  std::string request_recovery = "resend";
  LogOptions log;
};

Status Serve(const Options& options) {
  KeepSecretsOutOfCoreFiles();
  const SignalWaiter signals({SIGTERM, SIGINT});
  BERTH_ASSIGN_OR_RETURN(Takeover takeover, TakeOver(options.data_socket, BERTH_VERSION,
                                                     absl::Now() + kTakeOverTimeout));
  if (!takeover.predecessor) {
    BERTH_ASSIGN_OR_RETURN(takeover.volumes,
                           FetchKept(options.data_socket, absl::Now() + kTakeOverTimeout));
  }
  KeeperClient keeper(options.data_socket);
  FuseAttacher attacher(
      {.clusters = ClusterDirectory(options.clusters),
       .io_command = IoCommand(options.log),
       .instance_files = InstanceFilesPath(options.data_socket),
       .on_event =
           [](const VolumeHandle& volume, const std::string& what) {
             LogLine(what).Field("volume", volume.ToString()).Write(spdlog::level::warn);
           },
       .keeper = &keeper});
  BERTH_RETURN_IF_ERROR(Adopt(std::move(takeover.volumes), attacher));
  keeper.Start([&](const std::vector<std::string>& kept) { attacher.KeepAll(kept); });
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<DataPathServer> server,
                         DataPathServer::Start(options.data_socket, attacher, LogCall));
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<HandoverServer> handover,
                         HandoverServer::Start({.data_socket = options.data_socket,
                                                .on_event = LogEvent,
                                                // Whoever waits for a signal is told by one.
                                                .on_done = [] { kill(getpid(), SIGTERM); }},
                                               attacher, takeover.lock));
  LogLine("serving").Field("socket", options.data_socket).Write(spdlog::level::info);
  // The I/O processes that came along are another's children and perhaps of another version.
  attacher.ReplaceProcesses();
  if (takeover.predecessor) SendDone(*takeover.predecessor);
  const PeriodicTask keyrings([&] {
    attacher.FollowKeyrings();
    return kLookAtKeyrings;
  });
  WaitForEnd(signals, attacher);
  return absl::OkStatus();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == berth::kIoCommand) return berth::RunIo(argc - 1, argv + 1);
  berth::Flags flags("berth-data", "Serves Ceph RBD images as block devices of this node",
                     BERTH_VERSION);
  berth::Options options;
  flags.AddDataSocket(options.data_socket);
  flags.AddClusters(options.clusters);
  flags.app()
      .add_option("--request-recovery", options.request_recovery,
                  "resend: where the kernel can (6.9), it sends the requests of a dead I/O process "
                  "again; replay: they are always taken from memory")
      ->check(CLI::IsMember({"resend", "replay"}))
      ->capture_default_str();
  if (const auto exit_code = flags.Parse(argc, argv)) return *exit_code;
  options.log = flags.log();
  if (const berth::Status status = berth::Serve(options); !status.ok()) {
    berth::LogLine(std::string(status.message())).Write(spdlog::level::err);
    return 1;
  }
  return 0;
}
