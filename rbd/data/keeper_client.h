#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/data/held_volume.h"
#include "rbd/data/io_channel.h"

namespace berth {

// What berth-node keeps for the node's berth-data (descriptor_keeper.h): for a berth-data that
// begins without a predecessor. Empty when no berth-node runs, for then nothing is kept. What it
// keeps of a connection that has ended is left out. UNAVAILABLE or DEADLINE_EXCEEDED when it runs
// and does not answer.
StatusOr<std::vector<HeldVolume>> FetchKept(const std::string& data_socket, absl::Time deadline);

// berth-data's side while it runs: tells berth-node what to keep. Connects again whenever
// berth-node was restarted. Thread-safe; works on a thread of its own.
class KeeperClient {
 public:
  // Called by the client's thread whenever it has connected, with the volumes that berth-node keeps
  // then; answers with Keep and Forget for what differs.
  using OnConnected = std::function<void(const std::vector<std::string>& kept)>;

  explicit KeeperClient(const std::string& data_socket);
  ~KeeperClient();
  KeeperClient(const KeeperClient&) = delete;
  KeeperClient& operator=(const KeeperClient&) = delete;

  // Begins to connect. Call once.
  void Start(OnConnected on_connected);

  // Tells berth-node, if it runs: when the call returns it has the descriptors, also if this
  // process ends at once. Blocks for a second at most, after which berth-node counts as gone.
  void Keep(const data::held::v1::Volume& volume, const std::vector<int>& descriptors);
  void Forget(const std::string& volume);

 private:
  void Run(const OnConnected& on_connected);
  // True when asked to end.
  bool WaitForEnd(int fd, absl::Duration timeout) const;
  template <typename Message>
  void Send(const Message& message, const std::vector<int>& descriptors);

  const std::string path_;
  const Fd wake_;  // eventfd
  Synchronized<std::optional<IoChannel>> channel_;
  std::thread thread_;
};

}  // namespace berth
