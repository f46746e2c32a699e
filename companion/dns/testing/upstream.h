#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {

// A DNS server on 127.0.0.1 for tests, by UDP and, on the same port, by TCP.
class TestUpstream {
 public:
  // The answer to a packet; empty: silence. Called from the server's threads.
  using Answer = std::function<std::string(const std::string& query, bool tcp)>;

  explicit TestUpstream(Answer answer);
  ~TestUpstream();

  SocketAddress address() const { return address_; }

 private:
  void RunUdp();
  void RunTcp();

  const Answer answer_;
  SocketAddress address_;
  Fd udp_;
  Fd tcp_;
  Fd stop_;
  std::thread udp_thread_;
  std::thread tcp_thread_;
};

// What upstream answers to `query`: its question, and records in zone-file form. With `truncated`
// only the question and the TC bit.
std::string MakeUpstreamAnswer(const std::string& query, const std::vector<std::string>& records,
                               int rcode = 0, bool truncated = false);

}  // namespace berth::dns
