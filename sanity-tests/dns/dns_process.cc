#include "sanity-tests/dns/dns_process.h"

#include <spdlog/fmt/fmt.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "companion/dns/testing/dns_message.h"
#include "companion/dns/testing/unused_address.h"
#include "kube/cancellation.h"

namespace berth::dns {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(30);

std::string Upstreams(const std::vector<SocketAddress>& upstreams, std::string_view before) {
  std::string text;
  for (const SocketAddress& upstream : upstreams) {
    text.append(before).append(upstream.Text());
  }
  return text;
}

std::string Corefile(const DnsProcess::Options& options, const SocketAddress& address) {
  std::string text = fmt::format(
      ".:{} {{\n  bind {}\n"
      "  kubernetes cluster.local in-addr.arpa ip6.arpa {{\n"
      "    kubeconfig {}\n    ttl 5\n    fallthrough in-addr.arpa ip6.arpa\n  }}\n",
      address.port, address.ip.Text(), options.kubeconfig);
  if (options.cache_s > 0) text += fmt::format("  cache {}\n", options.cache_s);
  if (!options.upstreams.empty()) text += "  forward ." + Upstreams(options.upstreams, " ") + "\n";
  return text + "}\n";
}

}  // namespace

StatusOr<DnsProcess> DnsProcess::StartCoreDns(const Options& options) {
  const char* program = std::getenv("BERTH_COREDNS");
  if (program == nullptr) {
    return absl::FailedPreconditionError("set BERTH_COREDNS to the program coredns");
  }
  const SocketAddress address = UnusedAddress();
  const std::string corefile = fmt::format("{}/Corefile-{}", options.directory, address.port);
  std::ofstream(corefile) << Corefile(options, address);
  return Start(fmt::format("{} -conf {}", program, corefile), address, options);
}

StatusOr<DnsProcess> DnsProcess::StartBerth(const std::string& program, const Options& options) {
  const SocketAddress address = UnusedAddress();
  const std::string upstreams =
      options.upstreams.empty() ? " --upstream none" : Upstreams(options.upstreams, " --upstream ");
  return Start(fmt::format("{} --roles dns --kubeconfig {} --dns-address {}{}", program,
                           options.kubeconfig, address.Text(), upstreams),
               address, options);
}

StatusOr<DnsProcess> DnsProcess::Start(const std::string& command, const SocketAddress& address,
                                       const Options& options) {
  const std::string shell =
      fmt::format("exec {} {} >{}/dns-{}.log 2>&1", absl::StrJoin(options.wrapper, " "), command,
                  options.directory, address.port);
  BERTH_ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start({"setpriv", "--pdeathsig", "KILL", "sh", "-c", shell}, {}));
  DnsProcess started(std::move(process), address);
  BERTH_RETURN_IF_ERROR(started.AwaitAnswers());
  return started;
}

Status DnsProcess::AwaitAnswers() {
  const kube::Cancellation never;
  const std::string query = MakeQuery("kubernetes.default.svc.cluster.local", type::kA);
  for (const absl::Time end = absl::Now() + kStartTimeout; absl::Now() < end;) {
    if (ParseAnswer(AskUdp(address_.port, query, 1000)).answers.size() == 1) {
      return absl::OkStatus();
    }
    never.WaitFor(absl::Milliseconds(50));
  }
  return absl::DeadlineExceededError(
      fmt::format("the DNS server on {} does not answer; see its log", address_.Text()));
}

DnsProcess::~DnsProcess() {
  if (process_.pid() <= 0) return;  // moved from
  process_.Signal(SIGKILL).IgnoreError();
  process_.Wait(absl::InfiniteFuture()).status().IgnoreError();
}

}  // namespace berth::dns
