#include "programs/berth-node/announcer.h"

#include <map>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"

namespace berth {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(30);
constexpr absl::Duration kIntervalAfterFailure = absl::Seconds(5);

using Failures = std::map<std::string, std::string>;  // by cluster: what failed

void LogChanges(const Failures& before, const Failures& now) {
  for (const auto& [cluster, error] : now) {
    if (before.count(cluster) != 0) continue;
    LogLine("cannot register this node; volumes of the cluster cannot be published here")
        .Field("cluster", cluster)
        .Field("error", error)
        .Write(spdlog::level::warn);
  }
  for (const auto& [cluster, error] : before) {
    if (now.count(cluster) != 0) continue;
    LogLine("this node is registered again").Field("cluster", cluster).Write(spdlog::level::info);
  }
}

}  // namespace

NodeAnnouncer::NodeAnnouncer(Nodes& nodes, NodeRecord node)
    : nodes_(nodes), node_(std::move(node)), thread_([this] { Run(); }) {}

NodeAnnouncer::~NodeAnnouncer() {
  End(absl::InfinitePast());
  thread_.join();
}

bool NodeAnnouncer::End(absl::Time deadline) {
  auto state = state_.Lock();
  state->ending = true;
  state.NotifyAll();
  return state.WaitUntil(deadline, [&] { return state->ended; });
}

void NodeAnnouncer::Run() {
  Failures before;
  for (;;) {
    Failures now;
    nodes_.Register(node_, [&](const std::string& cluster, const Status& status) {
      now[cluster] = std::string(status.message());
    });
    LogChanges(before, now);
    const absl::Time next = absl::Now() + (now.empty() ? kInterval : kIntervalAfterFailure);
    before = std::move(now);
    auto state = state_.Lock();
    if (!state.WaitUntil(next, [&] { return state->ending; })) continue;
    state->ended = true;
    state.NotifyAll();
    return;
  }
}

}  // namespace berth
