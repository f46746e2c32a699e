#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "descriptor_keeper.pb.h"
#include "rbd/data/io_channel.h"

namespace berth {

// "<data socket>.keeper", where berth-node listens and berth-data connects.
std::string KeeperPath(const std::string& data_socket);

// Keeps copies of berth-data's descriptors in this process, for berth-node: while they are open the
// FUSE connections live, and I/O waits, though berth-data and all of its I/O processes are dead.
// The next berth-data fetches them. Kept in memory alone: when this process ends, its successor is
// told everything anew by the berth-data that runs. Works on a thread of its own.
class DescriptorKeeper {
 public:
  // FAILED_PRECONDITION when it cannot listen beside `data_socket`.
  static StatusOr<std::unique_ptr<DescriptorKeeper>> Start(const std::string& data_socket);
  ~DescriptorKeeper();
  DescriptorKeeper(const DescriptorKeeper&) = delete;
  DescriptorKeeper& operator=(const DescriptorKeeper&) = delete;

 private:
  struct Kept {
    std::string state;
    std::vector<Fd> descriptors;
  };
  explicit DescriptorKeeper(Fd listener);
  void Run();
  void Accept();
  // False when the connection is of no use any more.
  bool Serve(const IoChannel& client);
  bool AnswerList(const IoChannel& client);

  const Fd listener_;
  const Fd wake_;  // eventfd
  // Used by the thread alone from here on.
  std::vector<IoChannel> clients_;
  std::map<std::string, Kept> kept_;  // by volume

  std::thread thread_;
};

}  // namespace berth
