#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "data_path.grpc.pb.h"
#include "rbd/attacher.h"

namespace berth {

// Serves an attacher by rbd/data_path.proto on a unix socket of mode 0600.
class DataPathServer {
 public:
  // One finished call: its name, the volume it was about (empty for List), and how it ended.
  using OnCall =
      std::function<void(const std::string& name, const std::string& volume, const Status& status)>;

  // Binds `socket_path`, in place of whoever served there: it is named so once it answers, and
  // calls that are on the way to the other one are not lost. FAILED_PRECONDITION naming the path
  // when something else than a socket is there or its directory is missing. Must be called before
  // other threads of the process make files: it sets the umask for a moment.
  static StatusOr<std::unique_ptr<DataPathServer>> Start(const std::string& socket_path,
                                                         Attacher& attacher, OnCall on_call);

  // Stops listening and waits for calls in progress.
  ~DataPathServer();
  DataPathServer(const DataPathServer&) = delete;
  DataPathServer& operator=(const DataPathServer&) = delete;

 private:
  class Service;
  DataPathServer(std::unique_ptr<Service> service);
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace berth
