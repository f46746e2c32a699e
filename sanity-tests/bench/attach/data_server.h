#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/process.h"
#include "base/status.h"

namespace berth {

// A berth-data of the measurement's own, ended when this goes.
class DataServer {
 public:
  // Starts `program` and returns once it listens on `socket`. UNAVAILABLE after 20 s.
  static StatusOr<DataServer> Start(const std::string& program, const std::string& socket,
                                    const std::string& clusters);
  DataServer(DataServer&&) = default;
  DataServer& operator=(DataServer&&) = delete;
  ~DataServer();

  pid_t pid() const { return process_.pid(); }

 private:
  explicit DataServer(ChildProcess process) : process_(std::move(process)) {}
  ChildProcess process_;
};

}  // namespace berth
