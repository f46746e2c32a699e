#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "companion/dns/ip_address.h"
#include "companion/dns/loop_probe.h"
#include "companion/dns/name.h"
#include "companion/dns/upstream_answer.h"

struct ub_ctx;
struct ub_result;

namespace berth::dns {

// The name servers that resolv.conf's text names, with port 53; what is no address is skipped.
std::vector<SocketAddress> UpstreamsOf(const std::string& resolv_conf);

// Asks upstream resolvers through libunbound, which retries, falls back to TCP and keeps answers
// for at most 30 s (5 s when there is none) in a cache of bounded size. Thread-safe.
class Forwarder {
 public:
  struct Options {
    std::vector<SocketAddress> upstreams;  // at least one
    // Questions that wait for upstream at one moment; further ones get SERVFAIL at once.
    size_t max_in_flight = 1000;
    // Shorter than the 5 s after which the C library's resolver gives up on us.
    absl::Duration timeout = absl::Seconds(4);
    size_t cache_bytes = 4 << 20;
    // Sends `probe` upstream until somebody answers; `on_loop` is called when it comes back.
    std::function<void()> on_loop = {};
    absl::Duration probe_interval = absl::Seconds(10);
  };
  struct Request {
    std::string so_far;  // see CompleteWithUpstream
    Name name;
    uint16_t type = 0;
    bool dnssec_ok = false;
    size_t limit_bytes = 0;
    // Called once: on the forwarder's thread, or within Submit when nothing can be sent.
    std::function<void(UpstreamReply)> done;
  };

  // `probe` outlives the forwarder. FAILED_PRECONDITION when libunbound does not start.
  static StatusOr<std::unique_ptr<Forwarder>> Start(Options options, const LoopProbe& probe);
  // What is in flight is answered with SERVFAIL.
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  void Submit(Request request);

  // For metrics.
  size_t in_flight() { return pending_.Lock()->requests.size(); }
  uint64_t forwarded() const { return forwarded_.load(std::memory_order_relaxed); }
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  uint64_t refused_as_full() const { return full_.load(std::memory_order_relaxed); }

 private:
  struct ContextDeleter {
    void operator()(ub_ctx* context) const;
  };
  // What libunbound's callback is given.
  struct Ticket {
    Forwarder* forwarder;
    uint64_t sequence;
  };
  struct Pending {
    Request request;
    absl::Time deadline;
    Ticket ticket;
    std::optional<int> unbound_id = {};  // once it was asked
  };
  struct InFlight {
    std::map<uint64_t, Pending> requests;  // by sequence, which is the order of deadlines
    uint64_t last = 0;
    bool ending = false;
  };

  Forwarder(Options options, const LoopProbe& probe);
  Status Configure();
  void Run();
  StatusOr<int> Ask(const Name& name, uint16_t type, Ticket* ticket);
  static void OnResult(void* ticket, int error, ub_result* result);
  void Complete(uint64_t sequence, std::string_view answer);
  absl::Time Expire(absl::Time now);
  void Probe(absl::Time now);

  const Options options_;
  const LoopProbe& probe_;
  std::unique_ptr<ub_ctx, ContextDeleter> context_;
  Synchronized<InFlight> pending_;
  std::atomic<uint64_t> forwarded_ = 0;
  std::atomic<uint64_t> failed_ = 0;
  std::atomic<uint64_t> full_ = 0;
  // Of the forwarder's thread.
  Ticket probe_ticket_;
  absl::Time next_probe_ = absl::InfinitePast();
  bool probe_done_ = false;

  Fd wake_;
  std::thread thread_;
};

}  // namespace berth::dns
