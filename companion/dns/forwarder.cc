#include "companion/dns/forwarder.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <unbound.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "companion/dns/rr_set.h"

namespace berth::dns {
namespace {

constexpr uint16_t kDnsPort = 53;
// Sequence of the loop probe; requests begin behind it.
constexpr uint64_t kProbe = 0;

Status UnboundError(int error, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("libunbound: {}: {}", what, ub_strerror(error)));
}

}  // namespace

std::vector<SocketAddress> UpstreamsOf(const std::string& resolv_conf) {
  std::vector<SocketAddress> upstreams;
  for (const absl::string_view line : absl::StrSplit(resolv_conf, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.size() < 2 || words[0] != "nameserver") continue;
    if (const auto ip = IpAddress::Parse(words[1])) upstreams.push_back({*ip, kDnsPort});
  }
  return upstreams;
}

void Forwarder::ContextDeleter::operator()(ub_ctx* context) const { ub_ctx_delete(context); }

StatusOr<std::unique_ptr<Forwarder>> Forwarder::Start(Options options, const LoopProbe& probe) {
  std::unique_ptr<Forwarder> forwarder(new Forwarder(std::move(options), probe));
  BERTH_RETURN_IF_ERROR(forwarder->Configure());
  forwarder->thread_ = std::thread([raw = forwarder.get()] { raw->Run(); });
  return forwarder;
}

Forwarder::Forwarder(Options options, const LoopProbe& probe)
    : options_(std::move(options)),
      probe_(probe),
      context_(ub_ctx_create()),
      probe_ticket_{this, kProbe},
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  pending_.Lock()->last = kProbe;
}

Status Forwarder::Configure() {
  if (context_ == nullptr) return absl::FailedPreconditionError("libunbound does not start");
  const std::string cache_bytes = std::to_string(options_.cache_bytes / 2);
  const std::string queries = std::to_string(options_.max_in_flight);
  const std::vector<std::pair<const char*, std::string>> settings = {
      // No validation: whoever wants it asks with the DO bit and validates.
      {"module-config:", "iterator"},
      {"msg-cache-size:", cache_bytes},
      {"rrset-cache-size:", cache_bytes},
      {"msg-cache-slabs:", "1"},
      {"rrset-cache-slabs:", "1"},
      {"infra-cache-slabs:", "1"},
      {"key-cache-slabs:", "1"},
      {"key-cache-size:", "64k"},
      {"neg-cache-size:", "64k"},
      {"infra-cache-numhosts:", "64"},
      {"cache-max-ttl:", "30"},
      {"cache-max-negative-ttl:", "5"},
      {"num-queries-per-thread:", queries},
      {"outgoing-range:", "256"},
      {"edns-buffer-size:", "1232"},
      // Upstream may be on this machine, and may know the names of private addresses.
      {"do-not-query-localhost:", "no"},
      {"unblock-lan-zones:", "yes"},
      {"insecure-lan-zones:", "yes"},
      // An upstream that was away is asked again within seconds and not after a quarter of an hour.
      {"infra-host-ttl:", "5"},
      {"infra-keep-probing:", "yes"},
      {"qname-minimisation:", "no"},
      {"aggressive-nsec:", "no"},
  };
  for (const auto& [name, value] : settings) {
    if (const int error = ub_ctx_set_option(context_.get(), name, value.c_str()); error != 0) {
      return UnboundError(error, fmt::format("set {} {}", name, value));
    }
  }
  for (const SocketAddress& upstream : options_.upstreams) {
    const std::string address = fmt::format("{}@{}", upstream.ip.Text(), upstream.port);
    if (const int error = ub_ctx_set_fwd(context_.get(), address.c_str()); error != 0) {
      return UnboundError(error, "forward to " + address);
    }
  }
  // A thread of libunbound's own, not a process.
  if (const int error = ub_ctx_async(context_.get(), 1); error != 0) {
    return UnboundError(error, "start its thread");
  }
  return absl::OkStatus();
}

Forwarder::~Forwarder() {
  pending_.Lock()->ending = true;
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the descriptor is readable already.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  // Callbacks come from our thread alone, so none comes any more.
  context_.reset();
  auto pending = pending_.Lock();
  for (auto& [sequence, waiting] : pending->requests) {
    waiting.request.done(CompleteWithUpstream(waiting.request.so_far, "", false, 0));
  }
}

void Forwarder::Submit(Request request) {
  const Name name = request.name;
  const uint16_t type = request.type;
  Ticket* ticket = nullptr;
  uint64_t sequence = 0;
  {
    auto pending = pending_.Lock();
    if (pending->requests.size() >= options_.max_in_flight || pending->ending) {
      full_.fetch_add(1, std::memory_order_relaxed);
      request.done(CompleteWithUpstream(request.so_far, "", false, request.limit_bytes));
      return;
    }
    sequence = ++pending->last;
    const auto [added, is_new] = pending->requests.emplace(
        sequence,
        Pending{std::move(request), absl::Now() + options_.timeout, Ticket{this, sequence}});
    ticket = &added->second.ticket;
  }
  forwarded_.fetch_add(1, std::memory_order_relaxed);
  const StatusOr<int> unbound_id = Ask(name, type, ticket);
  if (!unbound_id.ok()) return Complete(sequence, "");
  auto pending = pending_.Lock();
  const auto waiting = pending->requests.find(sequence);
  if (waiting != pending->requests.end()) waiting->second.unbound_id = *unbound_id;
}

StatusOr<int> Forwarder::Ask(const Name& name, uint16_t type, Ticket* ticket) {
  int unbound_id = 0;
  const int error = ub_resolve_async(context_.get(), NameToText(name).c_str(), type, kClassIn,
                                     ticket, &Forwarder::OnResult, &unbound_id);
  if (error != 0) return UnboundError(error, "ask upstream");
  return unbound_id;
}

void Forwarder::OnResult(void* raw_ticket, int error, ub_result* result) {
  const auto* ticket = static_cast<const Ticket*>(raw_ticket);
  std::string_view answer;
  if (error == 0 && result != nullptr && result->answer_packet != nullptr) {
    answer = {static_cast<const char*>(result->answer_packet),
              static_cast<size_t>(result->answer_len)};
  }
  if (ticket->sequence == kProbe) {
    // Any answer at all says that the probe arrived somewhere; SERVFAIL is libunbound's own word
    // for none.
    ticket->forwarder->probe_done_ = result != nullptr && error == 0 && result->rcode != 2;
  } else {
    ticket->forwarder->Complete(ticket->sequence, answer);
  }
  if (result != nullptr) ub_resolve_free(result);
}

void Forwarder::Complete(uint64_t sequence, std::string_view answer) {
  Request request;
  {
    auto pending = pending_.Lock();
    const auto waiting = pending->requests.find(sequence);
    if (waiting == pending->requests.end()) return;  // answered at its deadline
    request = std::move(waiting->second.request);
    pending->requests.erase(waiting);
  }
  UpstreamReply reply =
      CompleteWithUpstream(request.so_far, answer, request.dnssec_ok, request.limit_bytes);
  if (reply.rcode == Rcode::kServFail) failed_.fetch_add(1, std::memory_order_relaxed);
  request.done(std::move(reply));
}

// When the next request's time is over.
absl::Time Forwarder::Expire(absl::Time now) {
  while (true) {
    uint64_t sequence = 0;
    int unbound_id = 0;
    {
      auto pending = pending_.Lock();
      if (pending->requests.empty()) return absl::InfiniteFuture();
      const auto& [first, waiting] = *pending->requests.begin();
      if (waiting.deadline > now) return waiting.deadline;
      // Submit is still handing it over.
      if (!waiting.unbound_id) return now + absl::Milliseconds(1);
      sequence = first;
      unbound_id = *waiting.unbound_id;
    }
    // Only this thread runs callbacks, so none comes for it between the two, nor afterwards.
    ub_cancel(context_.get(), unbound_id);
    Complete(sequence, "");
  }
}

void Forwarder::Probe(absl::Time now) {
  if (probe_done_ || probe_.looped() || now < next_probe_) return;
  next_probe_ = now + options_.probe_interval;
  // When it cannot be sent, the next round tries again.
  Ask(probe_.name(), type::kA, &probe_ticket_).status().IgnoreError();
}

void Forwarder::Run() {
  bool told = false;
  while (!pending_.Lock()->ending) {
    const absl::Time now = absl::Now();
    Probe(now);
    if (probe_.looped() && !told) {
      told = true;
      if (options_.on_loop) options_.on_loop();
    }
    absl::Time until = Expire(now);
    if (!probe_done_ && !told) until = std::min(until, next_probe_);
    // A request that came meanwhile is due later than anything that is waited for here, or in
    // `timeout`.
    until = std::min(until, now + options_.timeout);
    std::array<pollfd, 2> waited = {pollfd{ub_fd(context_.get()), POLLIN, 0},
                                    pollfd{wake_.get(), POLLIN, 0}};
    const int64_t left_ms = absl::ToInt64Milliseconds(
        absl::Ceil(std::max(absl::ZeroDuration(), until - absl::Now()), absl::Milliseconds(1)));
    ::poll(waited.data(), waited.size(), static_cast<int>(left_ms));
    ub_process(context_.get());
  }
}

}  // namespace berth::dns
