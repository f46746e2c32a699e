#include "programs/berth/admin_command.h"

#include "absl/strings/str_join.h"
#include "base/grpc_status.h"

namespace berth {
namespace {

std::string ClaimOf(const admin::v1::Holder& holder) {
  const auto name = holder.owner().find("pvc/name");
  const auto ns = holder.owner().find("pvc/namespace");
  if (name == holder.owner().end()) return "-";
  return ns == holder.owner().end() ? name->second : ns->second + "/" + name->second;
}

}  // namespace

CLI::App& Holders::AddTo(CLI::App& parent) {
  CLI::App& command = Add(parent, "holders", "which node has which volume");
  command.add_option("volume", volume_,
                     "<cluster>/<pool>[/<namespace>]/<image>; absent: all that are held");
  return command;
}

std::vector<std::string> Holders::Words() const {
  return volume_.empty() ? std::vector<std::string>{"holders"}
                         : std::vector<std::string>{"holders", volume_};
}

Status Holders::Ask(admin::v1::Admin::Stub& stub) {
  admin::v1::ListHoldersRequest request;
  request.set_volume(volume_);
  admin::v1::ListHoldersResponse response;
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.ListHolders(NewContext().get(), request, &response)));
  if (json()) return Print(response);
  std::vector<std::vector<std::string>> rows = {
      {"VOLUME", "NODE", "ACCESS", "STATE", "EPOCH", "CLAIM", "CLIENTS"}};
  for (const admin::v1::Holder& holder : response.holders()) {
    rows.push_back({holder.volume(), holder.node().empty() ? "-" : holder.node(),
                    holder.access().empty() ? "-" : holder.access(), holder.state(),
                    std::to_string(holder.epoch()), ClaimOf(holder),
                    holder.instances().empty() ? "-" : absl::StrJoin(holder.instances(), ",")});
  }
  PrintTable(rows);
  return Report(response.problems());
}

}  // namespace berth
