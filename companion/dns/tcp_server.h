#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "companion/dns/counters.h"
#include "companion/dns/forwarder.h"
#include "companion/dns/ip_address.h"
#include "companion/dns/responder.h"

namespace berth::dns {

// Answers over TCP on one address (RFC 7766): one thread for all connections, queries of a
// connection answered as they come, those that upstream answers when it has.
class TcpServer {
 public:
  struct Options {
    SocketAddress address = {};
    // When one more comes, the one that has been quiet longest is closed.
    size_t max_connections = 256;
    // A connection on which nothing moved for this long is closed.
    absl::Duration idle_timeout = absl::Seconds(10);
    // Answers that clients do not take, of all connections together: above it a connection whose
    // answer the kernel does not take at once is closed.
    size_t max_unsent_bytes = 4 << 20;
  };
  // As UdpServer::Start.
  static StatusOr<std::unique_ptr<TcpServer>> Start(const Options& options,
                                                    const Responder& responder,
                                                    Forwarder* forwarder);
  // Ends the thread and the connections.
  void Stop();
  ~TcpServer();

  const SocketAddress& address() const { return address_; }
  const Counters& counters() const { return counters_; }
  size_t connections() const { return open_.load(std::memory_order_relaxed); }

 private:
  struct Connection {
    Fd socket;
    IpAddress client;
    std::string in;         // at most one unfinished query
    std::string out;        // not taken by the kernel yet
    size_t waiting = 0;     // for upstream
    bool finished = false;  // the client sends no more
    uint32_t events = 0;    // that epoll waits for
    absl::Time last_used;
    std::list<uint64_t>::iterator in_order;
  };
  // What the forwarder's thread hands over.
  struct Late {
    std::vector<std::pair<uint64_t, UpstreamReply>> replies;
  };

  TcpServer(const Options& options, const Responder& responder, Forwarder* forwarder);
  Status Listen();
  void Run();
  void Accept(absl::Time now);
  void Serve(uint64_t id, uint32_t events, absl::Time now);
  bool Read(Connection& connection);
  void AnswerQueries(uint64_t id, Connection& connection);
  void AnswerOne(uint64_t id, Connection& connection, std::string_view packet);
  void Enqueue(Connection& connection, std::string_view message);
  bool Write(Connection& connection);
  // True when it is to be closed.
  bool Continue(uint64_t id, Connection& connection);
  void DeliverLate(absl::Time now);
  void Touch(uint64_t id, Connection& connection, absl::Time now);
  void Close(uint64_t id);
  // When the next connection has been idle for too long.
  absl::Time CloseIdle(absl::Time now);

  const Options options_;
  const Responder& responder_;
  Forwarder* const forwarder_;
  SocketAddress address_;
  Fd listener_;
  Fd epoll_;
  std::shared_ptr<const Fd> wake_;
  std::shared_ptr<Synchronized<Late>> late_;
  std::atomic<bool> ending_ = false;
  std::atomic<size_t> open_ = 0;
  Counters counters_;
  // Of the server's thread.
  std::unordered_map<uint64_t, Connection> connections_;
  std::list<uint64_t> order_;  // the longest idle one first
  size_t unsent_bytes_ = 0;    // of all connections
  uint64_t last_id_ = 1;       // 0 is the listener, 1 the wake-up
  Query query_;
  std::unique_ptr<char[]> answer_;
  size_t rotation_ = 0;

  std::thread thread_;
};

}  // namespace berth::dns
