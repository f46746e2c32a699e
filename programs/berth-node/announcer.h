#pragma once

#include <thread>

#include "absl/time/time.h"
#include "base/synchronized.h"
#include "rbd/nodes.h"

namespace berth {

// Registers this node in the clusters' pools: at once, every half minute for pools and clusters
// that are made later, and sooner after a failure. A cluster's failure is logged when it begins and
// when it ends.
class NodeAnnouncer {
 public:
  NodeAnnouncer(Nodes& nodes, NodeRecord node);
  // Waits for a registration that runs, which Connections' timeout bounds.
  ~NodeAnnouncer();
  NodeAnnouncer(const NodeAnnouncer&) = delete;
  NodeAnnouncer& operator=(const NodeAnnouncer&) = delete;

  // Registers no more; false when a registration still runs at `deadline`.
  bool End(absl::Time deadline);

 private:
  struct State {
    bool ending = false;
    bool ended = false;
  };
  void Run();

  Nodes& nodes_;
  const NodeRecord node_;
  Synchronized<State> state_;
  std::thread thread_;
};

}  // namespace berth
