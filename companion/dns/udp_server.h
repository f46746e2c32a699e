#pragma once

#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "companion/dns/counters.h"
#include "companion/dns/forwarder.h"
#include "companion/dns/ip_address.h"
#include "companion/dns/responder.h"

namespace berth::dns {

// Answers datagrams on one address: a thread and a socket of its own per worker (the kernel spreads
// clients over them), packets taken and sent in batches. What waits is in the kernel's socket
// buffer, which drops what does not fit.
class UdpServer {
 public:
  struct Options {
    SocketAddress address;
    size_t workers = 1;
  };
  // Binds and starts. `forwarder` is null when nothing is forwarded. All outlive the server but the
  // forwarder, which must end first: it holds our sockets for answers. FAILED_PRECONDITION and the
  // errors of bind.
  static StatusOr<std::unique_ptr<UdpServer>> Start(const Options& options,
                                                    const Responder& responder,
                                                    Forwarder* forwarder);
  // Ends the threads. The sockets stay open until the destructor, for late answers of the
  // forwarder's.
  void Stop();
  ~UdpServer();

  // As bound: the port is there also when 0 was asked for.
  const SocketAddress& address() const { return address_; }
  std::vector<const Counters*> counters() const;

 private:
  class Worker;
  UdpServer() = default;

  SocketAddress address_;
  Fd stop_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace berth::dns
