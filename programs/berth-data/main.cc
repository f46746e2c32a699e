// berth-data: makes images block devices of this node and keeps them served while berth-node
// restarts or is upgraded.

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/core_files.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/signals.h"
#include "rbd/data/data_path_service.h"
#include "rbd/data/fuse_attacher.h"
#include "rbd/data/io_process.h"

namespace berth {
namespace {

constexpr std::string_view kIoCommand = "io";  // hidden: berth-data starts itself with it

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

int Serve(const std::string& data_socket, const std::string& clusters, const LogOptions& log) {
  KeepSecretsOutOfCoreFiles();
  const SignalWaiter signals({SIGTERM, SIGINT});
  FuseAttacher attacher(
      {.clusters = ClusterDirectory(clusters),
       .io_command = IoCommand(log),
       .on_event = [](const VolumeHandle& volume, const std::string& what) {
         LogLine(what).Field("volume", volume.ToString()).Write(spdlog::level::warn);
       }});
  StatusOr<std::unique_ptr<DataPathServer>> server =
      DataPathServer::Start(data_socket, attacher, LogCall);
  if (!server.ok()) {
    LogLine(std::string(server.status().message())).Write(spdlog::level::err);
    return 1;
  }
  LogLine("serving").Field("socket", data_socket).Write(spdlog::level::info);
  WaitForEnd(signals, attacher);
  return 0;
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == berth::kIoCommand) return berth::RunIo(argc - 1, argv + 1);
  berth::Flags flags("berth-data", "Serves Ceph RBD images as block devices of this node",
                     BERTH_VERSION);
  std::string data_socket;
  std::string clusters;
  flags.AddDataSocket(data_socket);
  flags.AddClusters(clusters);
  if (const auto exit_code = flags.Parse(argc, argv)) return *exit_code;
  return berth::Serve(data_socket, clusters, flags.log());
}
