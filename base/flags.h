#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "base/log.h"

namespace berth {

// The command line of one program: flags that several programs share have one name, one meaning and
// one help text, and are added here; a program adds its own through app().
class Flags {
 public:
  Flags(std::string program, std::string description, const std::string& version);

  CLI::App& app() { return app_; }

  // --log-level, --log-format: every program has them.
  const LogOptions& log() const { return log_; }
  // --csi-endpoint unix:///path/csi.sock
  void AddCsiEndpoint(std::string& endpoint);
  // --clusters DIR: a folder per cluster with ceph.conf and keyring.
  void AddClusters(std::string& directory);
  // --node-id NAME
  void AddNodeId(std::string& node_id);
  // --data-socket PATH
  void AddDataSocket(std::string& path);
  // --kubeconfig FILE
  void AddKubeconfig(std::string& path);
  // --metrics-address HOST:PORT
  void AddMetricsAddress(std::string& address);

  // Reads the command line and starts logging. An exit code when the program must end now: after
  // --help or
  // --version (0), or after one line to standard error that says what is wrong and what to do (2).
  std::optional<int> Parse(int argc, char** argv);

 private:
  CLI::App app_;
  LogOptions log_;
};

// The path of a unix:// endpoint, with or without the scheme's slashes (unix:///a/b, unix:/a/b or
// /a/b); INVALID_ARGUMENT for another scheme, a relative path or one longer than a socket address
// holds (107 bytes).
StatusOr<std::string> UnixSocketPath(const std::string& endpoint);

}  // namespace berth
