#include <spdlog/fmt/fmt.h>

#include <cstdio>

#include "absl/time/time.h"
#include "base/grpc_status.h"
#include "programs/berth/admin_command.h"

namespace berth {
namespace {

std::string TimeText(int64_t unix_s) {
  if (unix_s == 0) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_s), absl::UTCTimeZone());
}

}  // namespace

CLI::App& FenceNode::AddTo(CLI::App& parent) {
  CLI::App& command =
      Add(parent, "fence",
          "cuts a node off from all of its volumes, and gives it none until it is unfenced");
  command.add_option("node", node_, "the node's name")->required();
  command.add_option("--reason", reason_, "for those who see it in `berth fences`")
      ->capture_default_str();
  return command;
}

std::vector<std::string> FenceNode::Words() const { return {"fence", node_, "--reason", reason_}; }

Status FenceNode::Ask(admin::v1::Admin::Stub& stub) {
  admin::v1::FenceNodeRequest request;
  request.set_node(node_);
  request.set_reason(reason_);
  admin::v1::FenceNodeResponse response;
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.FenceNode(NewContext().get(), request, &response)));
  if (json()) {
    BERTH_RETURN_IF_ERROR(Print(response));
  } else {
    for (const std::string& volume : response.volumes()) {
      std::fputs(fmt::format("{} taken from {}\n", volume, node_).c_str(), stdout);
    }
    std::fputs(fmt::format("{} is fenced; `berth unfence {}` ends it\n", node_, node_).c_str(),
               stdout);
  }
  return Report(response.problems());
}

CLI::App& UnfenceNode::AddTo(CLI::App& parent) {
  CLI::App& command = Add(parent, "unfence", "lets a node have volumes again");
  command.add_option("node", node_, "the node's name")->required();
  return command;
}

std::vector<std::string> UnfenceNode::Words() const { return {"unfence", node_}; }

Status UnfenceNode::Ask(admin::v1::Admin::Stub& stub) {
  admin::v1::UnfenceNodeRequest request;
  request.set_node(node_);
  admin::v1::UnfenceNodeResponse response;
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.UnfenceNode(NewContext().get(), request, &response)));
  if (json()) return Print(response);
  std::fputs(fmt::format("{} may have volumes\n", node_).c_str(), stdout);
  return absl::OkStatus();
}

CLI::App& ListFences::AddTo(CLI::App& parent) {
  return Add(parent, "fences", "fenced nodes, and the clients that are kept out of Ceph");
}

std::vector<std::string> ListFences::Words() const { return {"fences"}; }

Status ListFences::Ask(admin::v1::Admin::Stub& stub) {
  admin::v1::ListFencesResponse response;
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.ListFences(NewContext().get(), {}, &response)));
  if (json()) return Print(response);
  std::vector<std::vector<std::string>> rows = {{"NODE", "CLUSTER", "SINCE", "REASON"}};
  for (const admin::v1::NodeFence& fence : response.nodes()) {
    rows.push_back({fence.node(), fence.cluster(), TimeText(fence.since_s()), fence.reason()});
  }
  PrintTable(rows);
  std::puts("");
  rows = {{"CLIENT", "NODE", "VOLUME", "SINCE", "UNTIL", "IN FORCE"}};
  for (const admin::v1::InstanceFence& fence : response.instances()) {
    rows.push_back({fence.instance(), fence.node(), fence.volume(), TimeText(fence.since_s()),
                    TimeText(fence.until_s()), fence.in_force() ? "yes" : "NO"});
  }
  PrintTable(rows);
  return Report(response.problems());
}

}  // namespace berth
