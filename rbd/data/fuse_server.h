#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/synchronized.h"
#include "rbd/data/block_backend.h"
#include "rbd/data/fuse_protocol.h"
#include "rbd/data/io_memory.h"

namespace berth {

// Serves one block backend as the one file of a FUSE connection. A thread per descriptor reads
// requests and starts them; the answer is written by whichever thread completes them. Memory is
// taken when made and never grows: when all of it is in use the readers wait, and the kernel holds
// the rest back.
class FuseServer {
 public:
  struct Options {
    bool read_only = false;
    // Absent: the kernel's first request will be INIT. Else what an earlier server of the same
    // connection agreed on; that one is dead, and Serve begins by asking for its requests again.
    std::optional<FuseNegotiation> inherited;
    // Called once, by the thread that answered INIT.
    std::function<void(const FuseNegotiation&)> on_negotiated = [](const FuseNegotiation&) {};
    // Called once, by any thread, when the backend first answered that it is fenced (ESHUTDOWN).
    // From then on requests are answered EIO.
    std::function<void()> on_fenced = [] {};
  };

  // `descriptors`: of /dev/fuse, all of one connection (one opened and mounted, others cloned from
  // it); they stay the caller's, and so does `backend`; both must outlive the server.
  // RESOURCE_EXHAUSTED when there is no memory for the buffers.
  static StatusOr<std::unique_ptr<FuseServer>> Make(std::vector<int> descriptors,
                                                    BlockBackend& backend, Options options);
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // Serves until the connection ends (the file was closed and its file system is gone, or an
  // administrator aborted it), and until everything that was started has completed. Call once;
  // blocks, with no deadline of its own.
  Status Serve();

 private:
  class Operation;
  // Free operations, by the size of their memory.
  struct FreeOperations {
    std::array<std::vector<Operation*>, 3> of_class;
    size_t count = 0;
  };

  FuseServer(std::vector<int> descriptors, BlockBackend& backend, Options options);
  Status TakeMemory();
  Status ReadRequests(int fd, IoMemory& memory);
  void Handle(int fd, const FuseRequest& request, IoMemory& memory);
  void StartRead(int fd, const FuseRequest& request);
  void StartWrite(int fd, const FuseRequest& request, IoMemory& memory);
  void StartSync(int fd, const FuseRequest& request);
  void StartAllocate(int fd, const FuseRequest& request);
  // A free operation whose memory holds `bytes`; waits for one.
  Operation& Take(size_t bytes);
  void GiveBack(Operation& operation);
  void NoteFenced();

  const std::vector<int> descriptors_;
  BlockBackend& backend_;
  const Options options_;
  std::vector<IoMemory> reader_memory_;
  std::vector<std::unique_ptr<Operation>> operations_;
  Synchronized<FreeOperations> free_;
  std::atomic<bool> fenced_ = false;
};

}  // namespace berth
