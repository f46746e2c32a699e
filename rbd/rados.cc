#include "rbd/rados.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace berth {
namespace {

// Of the monitor's clock and ours. A fence lasts years.
constexpr absl::Duration kClockSkew = absl::Hours(1);

Status SetOption(rados_t rados, const char* name, const std::string& value) {
  const int error = rados_conf_set(rados, name, value.c_str());
  // The value may be a key, so only the name is told.
  return error == 0 ? absl::OkStatus() : ErrnoError(error, fmt::format("set Ceph option {}", name));
}

Status Configure(rados_t rados, const ClusterConfig& cluster, RadosClient::Purpose purpose,
                 std::chrono::seconds timeout) {
  const int error = rados_conf_read_file(rados, cluster.conf_path.c_str());
  if (error == -EINVAL) {
    return absl::FailedPreconditionError(fmt::format(
        "cluster \"{}\": Ceph cannot parse {}; each line is `[section]` or `name = value`, and "
        "the last one ends with a newline too",
        cluster.alias, cluster.conf_path));
  }
  if (error != 0) {
    return ErrnoError(error,
                      fmt::format("cluster \"{}\": read {}", cluster.alias, cluster.conf_path));
  }
  BERTH_RETURN_IF_ERROR(SetOption(rados, "key", cluster.user.key));
  // What an administrator's ceph.conf says about logs and sockets is meant for daemons and tools.
  BERTH_RETURN_IF_ERROR(SetOption(rados, "log_file", ""));
  BERTH_RETURN_IF_ERROR(SetOption(rados, "log_to_stderr", "false"));
  BERTH_RETURN_IF_ERROR(SetOption(rados, "admin_socket", ""));
  // librbd's write-back cache acknowledges what only this process holds. When the process dies and
  // another takes over, the kernel still believes in those writes, and a later fsync would answer
  // for data that is lost.
  BERTH_RETURN_IF_ERROR(SetOption(rados, "rbd_cache", "false"));
  const std::string seconds = std::to_string(timeout.count());
  BERTH_RETURN_IF_ERROR(SetOption(rados, "client_mount_timeout", seconds));
  switch (purpose) {
    case RadosClient::Purpose::kControl:
      BERTH_RETURN_IF_ERROR(SetOption(rados, "rados_mon_op_timeout", seconds));
      BERTH_RETURN_IF_ERROR(SetOption(rados, "rados_osd_op_timeout", seconds));
      break;
    case RadosClient::Purpose::kData:
      BERTH_RETURN_IF_ERROR(SetOption(rados, "rados_mon_op_timeout", "0"));
      BERTH_RETURN_IF_ERROR(SetOption(rados, "rados_osd_op_timeout", "0"));
      break;
  }
  return absl::OkStatus();
}

Status ConnectError(int error, const ClusterConfig& cluster, std::chrono::seconds timeout) {
  const std::string who =
      fmt::format("cluster \"{}\" as client.{}", cluster.alias, cluster.user.id);
  switch (std::abs(error)) {
    case EACCES:
    case EPERM:
    case ENOENT:
    case EINVAL:
      return absl::PermissionDeniedError(fmt::format(
          "{}: the monitors refuse this user or key; compare its keyring with `ceph auth "
          "get client.{}`",
          who, cluster.user.id));
    case ETIMEDOUT:
      return absl::DeadlineExceededError(fmt::format(
          "{}: no monitor answered within {} s; check \"mon host\" in {} and the network", who,
          timeout.count(), cluster.conf_path));
    default:
      return ErrnoError(error, fmt::format("{}: connect", who));
  }
}

// What a command to the monitors brings back. Move-free: it lives in one call.
struct MonReply {
  MonReply() = default;
  MonReply(const MonReply&) = delete;
  MonReply& operator=(const MonReply&) = delete;
  ~MonReply() {
    rados_buffer_free(data);
    rados_buffer_free(status);
  }
  std::string_view text() const { return {data, size}; }

  char* data = nullptr;
  size_t size = 0;
  char* status = nullptr;
  size_t status_size = 0;
};

}  // namespace

IoContext& IoContext::operator=(IoContext&& other) noexcept {
  std::swap(io_, other.io_);
  return *this;
}

IoContext::~IoContext() {
  if (io_ != nullptr) rados_ioctx_destroy(io_);
}

StatusOr<std::unique_ptr<RadosClient>> RadosClient::Connect(const ClusterConfig& cluster,
                                                            Purpose purpose,
                                                            std::chrono::seconds timeout) {
  rados_t rados = nullptr;
  if (const int error = rados_create(&rados, cluster.user.id.c_str()); error != 0) {
    return ErrnoError(error, fmt::format("cluster \"{}\": make a client", cluster.alias));
  }
  std::unique_ptr<RadosClient> client(new RadosClient(rados, cluster.alias));
  BERTH_RETURN_IF_ERROR(Configure(rados, cluster, purpose, timeout));
  if (const int error = rados_connect(rados); error != 0) {
    return ConnectError(error, cluster, timeout);
  }
  char* address = nullptr;
  if (const int error = rados_getaddrs(rados, &address); error != 0) {
    return ErrnoError(error, fmt::format("cluster \"{}\": read own address", cluster.alias));
  }
  client->address_ = address;
  std::free(address);  // NOLINT: librados allocates it with malloc
  return client;
}

RadosClient::~RadosClient() { rados_shutdown(rados_); }

StatusOr<IoContext> RadosClient::OpenPool(const std::string& pool,
                                          const std::string& rados_namespace) const {
  rados_ioctx_t io = nullptr;
  const int error = rados_ioctx_create(rados_, pool.c_str(), &io);
  if (error == -ENOENT) {
    return absl::NotFoundError(
        fmt::format("pool \"{}\" does not exist in cluster \"{}\"", pool, cluster_));
  }
  if (error != 0) {
    return ErrnoError(error, fmt::format("open pool \"{}\" of cluster \"{}\"", pool, cluster_));
  }
  rados_ioctx_set_namespace(io, rados_namespace.c_str());
  return IoContext(io);
}

StatusOr<std::vector<std::string>> RadosClient::PoolNames() const {
  std::vector<char> buffer;
  for (int needed = 0;;) {
    needed = rados_pool_list(rados_, buffer.data(), buffer.size());
    if (needed < 0)
      return ErrnoError(needed, fmt::format("list the pools of cluster \"{}\"", cluster_));
    if (static_cast<size_t>(needed) <= buffer.size()) break;
    buffer.resize(static_cast<size_t>(needed));
  }
  // Names one after the other, each ended by a zero byte, the list by an empty name.
  std::vector<std::string> names;
  for (const char* name = buffer.data(); *name != '\0'; name += names.back().size() + 1) {
    names.emplace_back(name);
  }
  return names;
}

bool RadosClient::HasApplication(const IoContext& io, const std::string& application) const {
  std::array<char, 1024> buffer = {};
  size_t size = buffer.size();
  if (rados_application_list(io.get(), buffer.data(), &size) != 0) return false;
  for (const char* name = buffer.data(); *name != '\0'; name += std::strlen(name) + 1) {
    if (application == name) return true;
  }
  return false;
}

Status RadosClient::WaitForLatestMap() const {
  const int error = rados_wait_for_latest_osdmap(rados_);
  return error == 0 ? absl::OkStatus()
                    : ErrnoError(error, fmt::format("cluster \"{}\": wait for the newest OSD map",
                                                    cluster_));
}

Status RadosClient::Fence(const std::string& address, std::chrono::seconds duration) const {
  BERTH_RETURN_IF_ERROR(AddToBlocklist(address, duration));
  BERTH_ASSIGN_OR_RETURN(const auto blocklist, Blocklist());
  const auto entry = blocklist.find(address);
  const absl::Time wanted = absl::Now() + absl::FromChrono(duration) - kClockSkew;
  if (entry != blocklist.end() && absl::FromUnixSeconds(entry->second) >= wanted) {
    return WaitForLatestMap();
  }
  if (entry != blocklist.end()) {
    const Status lifted = Lift(address);
    if (absl::IsPermissionDenied(lifted)) {
      return absl::FailedPreconditionError(fmt::format(
          "cluster \"{}\": {} is blocklisted until {} only, by somebody else, and Ceph does not "
          "lengthen that; wait until then, or give this user the caps mon 'allow command \"osd "
          "blocklist\"' beside 'profile rbd', or remove the entry by `ceph osd blocklist rm {}`",
          cluster_, address, absl::FormatTime(absl::FromUnixSeconds(entry->second)), address));
    }
    BERTH_RETURN_IF_ERROR(lifted);
  }
  BERTH_RETURN_IF_ERROR(AddToBlocklist(address, duration));
  return WaitForLatestMap();
}

Status RadosClient::FenceIfMissing(const std::string& address,
                                   std::chrono::seconds duration) const {
  BERTH_RETURN_IF_ERROR(AddToBlocklist(address, duration));
  return WaitForLatestMap();
}

Status RadosClient::AddToBlocklist(const std::string& address,
                                   std::chrono::seconds duration) const {
  std::string writable = address;  // the C call takes char*
  const int error =
      rados_blocklist_add(rados_, writable.data(), static_cast<uint32_t>(duration.count()));
  if (error == -EACCES || error == -EPERM) {
    return absl::PermissionDeniedError(fmt::format(
        "cluster \"{}\": this user may not blocklist {}; it needs the caps mon 'profile "
        "rbd'",
        cluster_, address));
  }
  if (error != 0) {
    return ErrnoError(error, fmt::format("cluster \"{}\": blocklist {}", cluster_, address));
  }
  return absl::OkStatus();
}

Status RadosClient::Lift(const std::string& address) const {
  const nlohmann::json command = {
      {"prefix", "osd blocklist"}, {"blocklistop", "rm"}, {"addr", address}};
  const StatusOr<std::string> answer =
      AskMonitors(command.dump(), fmt::format("take {} out of the blocklist", address));
  if (ErrnoOf(answer.status()) == ENOENT) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(answer.status());
  return WaitForLatestMap();
}

StatusOr<std::string> RadosClient::AskMonitors(const std::string& command,
                                               const std::string& what) const {
  const char* commands = command.c_str();
  MonReply reply;
  const int error = rados_mon_command(rados_, &commands, 1, nullptr, 0, &reply.data, &reply.size,
                                      &reply.status, &reply.status_size);
  if (error != 0) return ErrnoError(error, fmt::format("cluster \"{}\": {}", cluster_, what));
  return std::string(reply.text());
}

StatusOr<std::map<std::string, int64_t>> RadosClient::Blocklist() const {
  BERTH_ASSIGN_OR_RETURN(
      const std::string answer,
      AskMonitors(R"({"prefix": "osd blocklist ls", "format": "json"})", "list the blocklist"));
  std::map<std::string, int64_t> entries;
  try {
    // Addresses, and behind them, as a document of its own, ranges of addresses.
    std::istringstream text(answer);
    nlohmann::json addresses;
    text >> addresses;
    for (const nlohmann::json& entry : addresses) {
      if (!entry.contains("addr")) continue;
      absl::Time until;
      std::string why;
      // "2026-11-25T08:15:30.123456+0000"
      if (!absl::ParseTime("%Y-%m-%dT%H:%M:%E*S%z", entry.at("until").get<std::string>(), &until,
                           &why)) {
        until = absl::UnixEpoch();
      }
      entries[entry.at("addr").get<std::string>()] = absl::ToUnixSeconds(until);
    }
  } catch (const nlohmann::json::exception& unreadable) {
    return absl::InternalError(fmt::format("cluster \"{}\": the blocklist cannot be read: {}",
                                           cluster_, unreadable.what()));
  }
  return entries;
}

}  // namespace berth
