#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "base/status.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {

// A DNS server as a process of its own on loopback. The kernel ends it when this program dies.
class DnsProcess {
 public:
  struct Options {
    std::string kubeconfig;
    std::string directory;  // for its configuration and log
    // Where other names are asked for; none: they are refused.
    std::vector<SocketAddress> upstreams = {};
    int cache_s = 0;                        // CoreDNS's own cache; 0: without it
    std::vector<std::string> wrapper = {};  // such as {"taskset", "-c", "0"}
  };
  // CoreDNS, the reference for answers and speed, whose program BERTH_COREDNS names in the
  // environment; and berth-companion's role dns. Both block until the server answers from the API's
  // objects, up to half a minute. FAILED_PRECONDITION without BERTH_COREDNS.
  static StatusOr<DnsProcess> StartCoreDns(const Options& options);
  static StatusOr<DnsProcess> StartBerth(const std::string& program, const Options& options);

  DnsProcess(DnsProcess&&) = default;
  DnsProcess& operator=(DnsProcess&&) = delete;
  ~DnsProcess();

  uint16_t port() const { return address_.port; }
  pid_t pid() const { return process_.pid(); }

 private:
  DnsProcess(ChildProcess process, const SocketAddress& address)
      : process_(std::move(process)), address_(address) {}
  static StatusOr<DnsProcess> Start(const std::string& command, const SocketAddress& address,
                                    const Options& options);
  Status AwaitAnswers();

  ChildProcess process_;
  SocketAddress address_;
};

}  // namespace berth::dns
