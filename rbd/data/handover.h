#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/data/fuse_attacher.h"
#include "rbd/data/held_volume.h"
#include "rbd/data/io_channel.h"

namespace berth {

// How a node's berth-data is replaced by the next one, of another version perhaps, while devices
// are in use. Two files beside the data socket belong to it: "<data socket>.lock", which is locked
// by the one berth-data that looks after the node's volumes, and "<data socket>.handover", on which
// that one waits for a successor:
//
//     successor                              predecessor
//     lock the file: taken by another
//     connect, `take`              ───────▶  refuses calls, stops supervising, keeps its
//     descriptors
//                                  ◀───────  volumes and their descriptors, then `all` and the lock
//     `taken`: they are its own    ───────▶  (without this: takes everything back and goes on)
//     supervises; serves the socket
//     replaces each I/O process              its children serve until replaced
//     `done`                       ───────▶  ends
//
// A predecessor that dies after `taken` takes its children along when they share a container; each
// is then replaced as after any crash.

// What a new berth-data begins with.
struct Takeover {
  Fd lock;  // to be kept open for as long as this process looks after volumes
  std::vector<HeldVolume> volumes;
  std::optional<IoChannel> predecessor;  // absent: there was none
};

// Becomes the node's one berth-data. Waits until `deadline` for the predecessor's answer; then
// UNAVAILABLE, and nothing has changed.
StatusOr<Takeover> TakeOver(const std::string& data_socket, const std::string& version,
                            absl::Time deadline);

// The end of it: the predecessor need not stay. OK when it is gone already.
void SendDone(const IoChannel& predecessor);

// Waits for a successor and hands over to it, on a thread of its own.
class HandoverServer {
 public:
  struct Options {
    std::string data_socket;
    // What happened, for the log.
    std::function<void(const std::string&)> on_event;
    // Called once, by the server's thread, when nothing needs this process any more.
    std::function<void()> on_done;
  };

  // `attacher` and `lock`, this process' own from TakeOver, must outlive it.
  static StatusOr<std::unique_ptr<HandoverServer>> Start(Options options, FuseAttacher& attacher,
                                                         const Fd& lock);
  // Waits for a hand-over in progress, which its deadlines bound.
  ~HandoverServer();
  HandoverServer(const HandoverServer&) = delete;
  HandoverServer& operator=(const HandoverServer&) = delete;

 private:
  HandoverServer(Options options, FuseAttacher& attacher, const Fd& lock, Fd listener);
  void Run();
  // True when a successor has everything.
  bool Serve(const IoChannel& successor);
  Status GiveAll(const IoChannel& successor, const std::vector<HeldVolume>& volumes);
  Status AwaitTaken(const IoChannel& successor);

  const Options options_;
  FuseAttacher& attacher_;
  const Fd& lock_;
  const Fd listener_;
  const Fd wake_;  // eventfd
  std::thread thread_;
};

}  // namespace berth
