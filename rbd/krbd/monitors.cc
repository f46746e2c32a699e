#include "rbd/krbd/monitors.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

namespace berth {
namespace {

using nlohmann::json;

Status NotUnderstood(const char* command) {
  return absl::DataLossError(
      fmt::format("the answer to `ceph {}` is not what Ceph 16 and later answer", command));
}

StatusOr<std::string> Ask(const RadosClient& client, const char* command) {
  const std::string request = json{{"prefix", command}, {"format", "json"}}.dump();
  const char* lines[] = {request.c_str()};
  char* answer = nullptr;
  size_t answer_bytes = 0;
  char* words = nullptr;
  size_t words_bytes = 0;
  const int error = rados_mon_command(client.get(), lines, 1, nullptr, 0, &answer, &answer_bytes,
                                      &words, &words_bytes);
  std::string text(answer == nullptr ? "" : answer, answer_bytes);
  rados_buffer_free(answer);
  rados_buffer_free(words);
  if (error == 0) return text;
  return ErrnoError(error, fmt::format("cluster \"{}\": `ceph {}`", client.cluster(), command));
}

// The address of protocol `type` ("v1", "v2") in a monitor's vector; empty when it has none.
std::string AddressOf(const json& monitor, const std::string& type) {
  for (const json& address : monitor.at("public_addrs").at("addrvec")) {
    if (address.at("type") == type) return address.at("addr");
  }
  return "";
}

std::vector<std::string> AddressesOf(const json& monitors, const std::string& type) {
  std::vector<std::string> addresses;
  for (const json& monitor : monitors) {
    if (std::string address = AddressOf(monitor, type); !address.empty()) {
      addresses.push_back(std::move(address));
    }
  }
  return addresses;
}

}  // namespace

StatusOr<MonitorAddresses> ParseMonitors(std::string_view text) try {
  const json monitors = json::parse(text).at("mons");
  MonitorAddresses found{.addresses = AddressesOf(monitors, "v2"), .messenger_v2 = true};
  if (found.addresses.empty()) {
    found = {.addresses = AddressesOf(monitors, "v1"), .messenger_v2 = false};
  }
  if (found.addresses.empty()) return absl::NotFoundError("the monitors have no v1 or v2 address");
  return found;
} catch (const json::exception&) {
  return NotUnderstood("mon dump");
}

StatusOr<MonitorAddresses> ReadMonitors(const RadosClient& client) {
  BERTH_ASSIGN_OR_RETURN(const std::string answer, Ask(client, "mon dump"));
  return ParseMonitors(answer);
}

}  // namespace berth
