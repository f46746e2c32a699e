#include "rbd/doctor/probe.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "rbd/rados_operations.h"

namespace berth {
namespace {

using nlohmann::json;

// What matches the caps of `profile rbd` for "osd blocklist add" and is no address.
constexpr char kNoAddress[] = "nobody/0";
constexpr char kNoObject[] = "berth.doctor.absent";

StatusOr<json> Ask(const RadosClient& client, const json& command) {
  const std::string what = fmt::format("ask \"{}\"", command.at("prefix").get<std::string>());
  BERTH_ASSIGN_OR_RETURN(const std::string answer, client.AskMonitors(command.dump(), what));
  return json::parse(answer);
}

void ReadQuorum(const json& answer, CephState& state) {
  const auto in_quorum = answer.at("quorum_names").get<std::vector<std::string>>();
  for (const json& monitor : answer.at("monmap").at("mons")) {
    const auto name = monitor.at("name").get<std::string>();
    state.monitors.push_back(name);
    if (std::find(in_quorum.begin(), in_quorum.end(), name) == in_quorum.end()) {
      state.monitors_out.push_back(name);
    }
  }
}

void ReadHealth(const json& answer, CephState& state) {
  for (const auto& [name, check] : answer.at("checks").items()) {
    if (check.value("muted", false)) continue;
    state.health.push_back({name, check.at("severity").get<std::string>(),
                            check.at("summary").at("message").get<std::string>()});
  }
}

bool IsRefused(int error) { return error == EACCES || error == EPERM; }

}  // namespace

StatusOr<CephState> AskCeph(const RadosClient& client) {
  CephState state;
  try {
    const absl::Time begin = absl::Now();
    BERTH_ASSIGN_OR_RETURN(const json quorum,
                           Ask(client, {{"prefix", "quorum_status"}, {"format", "json"}}));
    state.answer_time = absl::Now() - begin;
    ReadQuorum(quorum, state);
    BERTH_ASSIGN_OR_RETURN(const json versions,
                           Ask(client, {{"prefix", "versions"}, {"format", "json"}}));
    state.versions = versions.at("overall").get<std::map<std::string, int>>();
    BERTH_ASSIGN_OR_RETURN(const json health,
                           Ask(client, {{"prefix", "health"}, {"format", "json"}}));
    ReadHealth(health, state);
  } catch (const json::exception& unreadable) {
    return absl::InternalError(
        fmt::format("cluster \"{}\": the monitors' answer cannot be read: {}", client.cluster(),
                    unreadable.what()));
  }
  return state;
}

StatusOr<std::optional<MissingCaps>> ProbeFencing(const RadosClient& client) {
  const json command = {
      {"prefix", "osd blocklist"}, {"blocklistop", "add"}, {"addr", kNoAddress}, {"expire", 1.0}};
  const Status answer =
      client.AskMonitors(command.dump(), "find out whether this user may fence").status();
  if (ErrnoOf(answer) == EINVAL) return std::nullopt;
  if (IsRefused(ErrnoOf(answer))) {
    return MissingCaps{client.cluster(), "mon 'profile rbd'",
                       "a volume cannot be taken from a node that does not give it back"};
  }
  if (!answer.ok()) return answer;
  return absl::InternalError(
      fmt::format("cluster \"{}\": Ceph took \"{}\" for an address to blocklist", client.cluster(),
                  kNoAddress));
}

StatusOr<bool> ProbeReading(const IoContext& io, const std::string& pool) {
  const int error = -rados_stat(io.get(), kNoObject, nullptr, nullptr);
  if (error == ENOENT || error == 0) return true;
  if (IsRefused(error)) return false;
  return ErrnoError(error, fmt::format("find out whether this user may read pool \"{}\"", pool));
}

StatusOr<std::optional<MissingCaps>> ProbeWriting(const RadosClient& client, const IoContext& io,
                                                  const std::string& pool) {
  const WriteOperation op;
  rados_write_op_assert_exists(op.get());
  // The right to write, and the right to call RBD's class to change an image.
  const char* key = "none";
  const size_t key_size = 4;
  rados_write_op_omap_rm_keys2(op.get(), &key, &key_size, 1);
  int result = 0;
  rados_write_op_exec(op.get(), "rbd", "set_size", "", 0, &result);
  const int error = -rados_write_op_operate2(op.get(), io.get(), kNoObject, nullptr, 0);
  if (error == ENOENT) return std::nullopt;
  if (IsRefused(error)) {
    return MissingCaps{fmt::format("{}/{}", client.cluster(), pool),
                       fmt::format("osd 'profile rbd pool={}'", pool),
                       "volumes of this pool can be neither made nor published"};
  }
  if (error == 0) {
    return absl::InternalError(
        fmt::format("pool \"{}\": object \"{}\" exists and must not", pool, kNoObject));
  }
  return ErrnoError(error,
                    fmt::format("find out whether this user may write to pool \"{}\"", pool));
}

}  // namespace berth
