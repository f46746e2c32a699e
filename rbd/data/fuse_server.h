#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/data/block_backend.h"
#include "rbd/data/fuse_protocol.h"
#include "rbd/data/request_memory.h"

namespace berth {

// Serves one block backend as the one file of a FUSE connection. A thread per descriptor reads
// requests and starts them; the answer is written by whichever thread completes them. Memory is
// taken when made and never grows: when all of it is in use the readers wait, and the kernel holds
// the rest back.
//
// A server that goes on for a dead one begins with what that one had read and not answered. A
// kernel that can (6.9) sends those requests again; else they are found in the memory:
//
// - Every request is in it, at every moment from before read(2) returns until its answer is
//   written: the kernel copies it in there, and it is recorded elsewhere before it is cleared here.
//   When both are found, the record is the one that counts.
// - What was started may have happened or not, and is done again. Nobody was told of it, so nobody
//   has since sent anything that must come after it; reads, writes, zeroes and flushes can be
//   repeated. The dead server's own late writes are fenced before (image_session.h).
// - What was done is not done again, because its answer may have been read, and a newer write to
//   the same place may have been answered since: only the answer is sent again. When the kernel has
//   it already, it says ENOENT, and nothing happens: it numbers requests upwards in 64 bits, and
//   gives no number twice in a connection.
class FuseServer {
 public:
  struct Options {
    bool read_only = false;
    // Ask a kernel that can to send a dead server's requests again.
    bool resend = true;
    // Called once, by any thread, when the backend first answered that it is fenced (ESHUTDOWN).
    // From then on requests are answered EIO.
    std::function<void()> on_fenced = [] {};
  };

  // `descriptors`: of /dev/fuse, all of one connection (one opened and mounted, others cloned from
  // it). They and `backend` and `memory`, which was made for this connection, stay the caller's and
  // must outlive the server. When `memory` says that an earlier server negotiated, it must be dead.
  FuseServer(std::vector<int> descriptors, BlockBackend& backend, RequestMemory& memory,
             Options options);
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // Serves until the connection ends (the file was closed and its file system is gone, or an
  // administrator aborted it), and until everything that was started has completed. Call once;
  // blocks, with no deadline of its own.
  Status Serve();

  // Makes Serve end while the connection goes on: nothing more is read, and what was read is still
  // done and answered. Returns when nothing is read any more. Thread-safe, while Serve runs.
  // Readers are woken by SIGUSR1, which the process must not use otherwise.
  void Stop();

  // The backend has grown: tells the kernel. Thread-safe, while Serve runs.
  void TellSize();

  // How long the oldest request has been waiting for the backend. Thread-safe.
  absl::Duration LongestWait() const;

 private:
  class Operation;
  // Free operations, by the size of their memory.
  struct FreeOperations {
    std::map<size_t, std::vector<Operation*>> of_size;
    size_t count = 0;
  };

  Status GoOn();
  void Replay();
  Status ReadRequests(size_t descriptor);
  Status ReadUntilEnd(size_t descriptor, Operation*& reading);
  // Starts or answers the request that `reading` holds; the operation to read into next.
  Operation* Handle(const FuseRequest& request, Operation* reading);
  void StartRead(const FuseRequest& request, Operation& reading);
  Operation* StartWrite(const FuseRequest& request, Operation* reading);
  void StartSync(const FuseRequest& request, Operation& reading);
  void StartAllocate(const FuseRequest& request, Operation& reading);
  void StartElsewhere(const FuseRequest& request, uint64_t length, Operation& reading);
  void Submit(Operation& operation);
  // A free operation whose memory holds `bytes`; waits for one.
  Operation& Take(size_t bytes);
  void GiveBack(Operation& operation);
  void NoteFenced();

  const std::vector<int> descriptors_;
  BlockBackend& backend_;
  RequestMemory& memory_;
  const Options options_;
  std::vector<std::unique_ptr<Operation>> operations_;
  Synchronized<FreeOperations> free_;
  Synchronized<std::set<pthread_t>> readers_;  // the threads that read, for Stop
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> fenced_ = false;
};

}  // namespace berth
