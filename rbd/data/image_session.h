#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/status.h"
#include "io_process.pb.h"
#include "rbd/data/image_client.h"

namespace berth {

// One image opened by a client instance of its own, under its node's claim: the instance is
// recorded before the image is opened, the exclusive lock is held while it is open, and `closed` is
// recorded only after it was closed. A read-only session opens only under a claim too, records
// nothing and takes no lock. None is taken either of an image that has no such lock, and by nodes
// that share the volume: then claims and fences alone keep others out. For one thread; librbd calls
// block while Ceph does not answer.
class ImageSession {
 public:
  // Opens what `open` says with `client`, which was connected as it says and outlives the session.
  // NOT_FOUND: no such image. FAILED_PRECONDITION: the claim is not this node's at its epoch, or
  // the lock is held by a client that is none of ours, which the message names. When it fails
  // after the instance was recorded, the record is taken back.
  static StatusOr<std::unique_ptr<ImageSession>> Open(const data::io::v1::Open& open,
                                                      ImageClient& client);

  // Flushes, gives the lock back, closes the image and records `closed`. An error at any step
  // leaves the claim as it is, so that the controller fences this instance.
  Status Close();
  // The same without recording it, for a process whose successor opens the image at once and
  // records it then: a claim that says `closed` may be given away.
  Status CloseForSuccessor() { return CloseImage(); }

 private:
  ImageSession(data::io::v1::Open open, ImageClient& client)
      : open_(std::move(open)), client_(client) {}
  Status CheckReader();
  Status RecordOpening();
  Status OpenImage();
  Status OpenForWriting();
  Status FenceEarlier();
  Status TakeLock();
  Status BreakEarlierLocks();
  Status RecordOpen();
  Status RecordClosed(const std::string& instance);
  Status CloseImage();

  const data::io::v1::Open open_;
  ImageClient& client_;
  std::string image_id_;                  // from the record; empty when it does not say
  std::set<std::string> dead_instances_;  // of this volume's earlier I/O processes
  // Others that the claim records, of this boot: berth-data and berth-node were both gone, so
  // nobody knows whether they are dead.
  std::set<std::string> unknown_instances_;
  bool shared_ = false;  // other nodes may write, too
  bool opened_ = false;
  bool locked_ = false;  // we took the image's lock
  bool may_have_written_ = false;
};

}  // namespace berth
