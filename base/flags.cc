#include "base/flags.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/strings/strip.h"

namespace berth {

Flags::Flags(std::string program, std::string description, const std::string& version)
    : app_(std::move(description), program) {
  log_.program = std::move(program);
  app_.set_version_flag("--version", log_.program + " " + version);
  app_.add_option("--log-level", log_.level, "trace, debug, info, warning or error")
      ->capture_default_str();
  app_.add_option("--log-format", log_.format, "form of the log lines on standard error")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, LogFormat>{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}))
      ->option_text("text|json [text]");
}

void Flags::AddCsiEndpoint(std::string& endpoint) {
  app_.add_option("--csi-endpoint", endpoint, "unix:///path/csi.sock to serve CSI on")->required();
}

void Flags::AddClusters(std::string& directory) {
  app_.add_option("--clusters", directory,
                  "directory with a folder per Ceph cluster, each with ceph.conf and keyring")
      ->required()
      ->check(CLI::ExistingDirectory);
}

void Flags::AddNodeId(std::string& node_id) {
  app_.add_option("--node-id", node_id, "this node's name, as Kubernetes has it")->required();
}

void Flags::AddDataSocket(std::string& path) {
  app_.add_option("--data-socket", path, "socket of berth-data on this node")->required();
}

void Flags::AddKubeconfig(std::string& path) {
  app_.add_option("--kubeconfig", path,
                  "file that says how to reach the API server; absent: the pod's service account")
      ->check(CLI::ExistingFile);
}

void Flags::AddMetricsAddress(std::string& address) {
  app_.add_option("--metrics-address", address,
                  "host:port to serve Prometheus metrics on; absent: not served");
}

std::optional<int> Flags::Parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help and --version
    return app_.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::fputs(fmt::format("{0}: {1}; see {0} --help\n", log_.program, error.what()).c_str(),
               stderr);
    return 2;
  }
  if (const Status status = StartLogging(log_); !status.ok()) {
    std::fputs(fmt::format("{}: {}\n", log_.program, std::string(status.message())).c_str(),
               stderr);
    return 2;
  }
  return std::nullopt;
}

StatusOr<std::string> UnixSocketPath(const std::string& endpoint) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) {
    while (path.size() > 1 && path[0] == '/' && path[1] == '/') path.remove_prefix(1);
  }
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(
        fmt::format("endpoint \"{}\" is not an absolute unix:///path", endpoint));
  }
  if (path.size() > 107) {
    return absl::InvalidArgumentError(fmt::format(
        "socket path \"{}\" has {} bytes; the limit is 107", std::string(path), path.size()));
  }
  return std::string(path);
}

}  // namespace berth
