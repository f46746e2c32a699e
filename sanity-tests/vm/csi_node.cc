#include "sanity-tests/vm/csi_node.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "csi/node/mount.h"

namespace berth {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(90);

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

// Waits for the program to serve, and repeats the call, as its caller in a cluster does, while one
// of the programs behind it has just started.
template <typename Stub, typename Request, typename Response>
Status Call(Stub& stub,
            grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response& response) {
  const absl::Time deadline = absl::Now() + kCallTimeout;
  Status status;
  do {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(deadline));
    status = FromGrpc((stub.*method)(&context, request, &response));
  } while (absl::IsUnavailable(status) && absl::Now() < deadline);
  return status;
}

csi::v1::VolumeCapability OneWriter() {
  csi::v1::VolumeCapability capability;
  capability.mutable_mount()->set_fs_type("ext4");
  capability.mutable_access_mode()->set_mode(
      csi::v1::VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  return capability;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> pids;
  const std::filesystem::path tasks = fmt::format("/proc/{}/task", parent);
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid; children >> pid;) pids.push_back(pid);
  }
  return pids;
}

}  // namespace

CsiNode::CsiNode(const std::string& directory, const std::string& mounter)
    : directory_(directory),
      sockets_("/run/berth-sockets-" + mounter),
      mounter_(mounter),
      node_id_("vm-" + mounter),
      staging_path_(directory + "/staging"),
      target_path_(directory + "/target") {
  std::filesystem::create_directories(staging_path_);
  std::filesystem::create_directories(sockets_);
  StartNode();
  Start("berth-controller", {"--csi-endpoint", "unix://" + sockets_ + "/controller.sock"});
  controller_ = csi::v1::Controller::NewStub(ChannelTo(sockets_ + "/controller.sock"));
  node_ = csi::v1::Node::NewStub(ChannelTo(sockets_ + "/node.sock"));
}

CsiNode::~CsiNode() {
  controller_.reset();  // a program that is asked to end waits for its callers to hang up
  node_.reset();
  for (const char* name : {"berth-node", "berth-controller", "berth-data"}) {
    const auto program = programs_.find(name);
    if (program == programs_.end()) continue;
    program->second.Signal(SIGTERM).IgnoreError();
    if (program->second.Wait(absl::Now() + absl::Seconds(10)).ok()) continue;
    program->second.Signal(SIGKILL).IgnoreError();
    program->second.Wait(absl::Now() + absl::Seconds(10)).IgnoreError();
  }
}

void CsiNode::Abandon() { programs_.clear(); }

void CsiNode::Start(const std::string& program, const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {BERTH_PROGRAMS "/" + program, "--clusters",
                                   std::getenv("BERTH_CLUSTERS")};
  argv.insert(argv.end(), flags.begin(), flags.end());
  StatusOr<ChildProcess> started = ChildProcess::Start(argv, {});
  if (!started.ok()) throw std::runtime_error(started.status().ToString());
  programs_.insert_or_assign(program, *std::move(started));
}

void CsiNode::StartNode() {
  const std::string data_socket = sockets_ + "/data.sock";
  Start("berth-data", {"--data-socket", data_socket});
  Start("berth-node",
        {"--csi-endpoint", "unix://" + sockets_ + "/node.sock", "--node-id", node_id_, "--mounter",
         mounter_, "--data-socket", data_socket, "--state-dir", directory_ + "/state"});
}

void CsiNode::LoseEverything() {
  const std::vector<pid_t> io_processes = ChildrenOf(programs_.at("berth-data").pid());
  for (const char* name : {"berth-node", "berth-data"}) {
    programs_.at(name).Signal(SIGKILL).IgnoreError();
  }
  for (const pid_t pid : io_processes) kill(pid, SIGKILL);
  for (const char* name : {"berth-node", "berth-data"}) {
    programs_.at(name).Wait(absl::Now() + absl::Seconds(30)).IgnoreError();
  }
  StartNode();
}

StatusOr<std::string> CsiNode::CreateVolume(const std::string& name, int64_t bytes) {
  csi::v1::CreateVolumeRequest request;
  request.set_name(name);
  request.mutable_capacity_range()->set_required_bytes(bytes);
  *request.add_volume_capabilities() = OneWriter();
  (*request.mutable_parameters())["pool"] = "rbd";
  csi::v1::CreateVolumeResponse response;
  BERTH_RETURN_IF_ERROR(
      Call(*controller_, &csi::v1::Controller::Stub::CreateVolume, request, response));
  return response.volume().volume_id();
}

Status CsiNode::DeleteVolume(const std::string& volume_id) {
  csi::v1::DeleteVolumeRequest request;
  request.set_volume_id(volume_id);
  csi::v1::DeleteVolumeResponse response;
  return Call(*controller_, &csi::v1::Controller::Stub::DeleteVolume, request, response);
}

// A node that has just started is not known yet: its caller tries again, as Kubernetes does.
StatusOr<CsiNode::PublishContext> CsiNode::ControllerPublish(const std::string& volume_id) {
  csi::v1::ControllerPublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_node_id(node_id_);
  *request.mutable_volume_capability() = OneWriter();
  csi::v1::ControllerPublishVolumeResponse response;
  Status status;
  const absl::Time deadline = absl::Now() + kCallTimeout;
  do {
    status =
        Call(*controller_, &csi::v1::Controller::Stub::ControllerPublishVolume, request, response);
  } while (absl::IsNotFound(status) && absl::Now() < deadline);
  if (!status.ok()) return status;
  return PublishContext(response.publish_context().begin(), response.publish_context().end());
}

Status CsiNode::ControllerUnpublish(const std::string& volume_id) {
  csi::v1::ControllerUnpublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_node_id(node_id_);
  csi::v1::ControllerUnpublishVolumeResponse response;
  return Call(*controller_, &csi::v1::Controller::Stub::ControllerUnpublishVolume, request,
              response);
}

Status CsiNode::Stage(const std::string& volume_id, const PublishContext& context) {
  csi::v1::NodeStageVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_staging_target_path(staging_path_);
  *request.mutable_volume_capability() = OneWriter();
  request.mutable_publish_context()->insert(context.begin(), context.end());
  csi::v1::NodeStageVolumeResponse response;
  return Call(*node_, &csi::v1::Node::Stub::NodeStageVolume, request, response);
}

Status CsiNode::Unstage(const std::string& volume_id) {
  csi::v1::NodeUnstageVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_staging_target_path(staging_path_);
  csi::v1::NodeUnstageVolumeResponse response;
  return Call(*node_, &csi::v1::Node::Stub::NodeUnstageVolume, request, response);
}

Status CsiNode::NodePublish(const std::string& volume_id, const PublishContext& context) {
  csi::v1::NodePublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_staging_target_path(staging_path_);
  request.set_target_path(target_path_);
  *request.mutable_volume_capability() = OneWriter();
  request.mutable_publish_context()->insert(context.begin(), context.end());
  csi::v1::NodePublishVolumeResponse response;
  return Call(*node_, &csi::v1::Node::Stub::NodePublishVolume, request, response);
}

Status CsiNode::NodeUnpublish(const std::string& volume_id) {
  csi::v1::NodeUnpublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_target_path(target_path_);
  csi::v1::NodeUnpublishVolumeResponse response;
  return Call(*node_, &csi::v1::Node::Stub::NodeUnpublishVolume, request, response);
}

std::string CsiNode::StagedDevice() const {
  const StatusOr<std::optional<Mount>> mount = FindMount(staging_path_);
  return mount.ok() && mount->has_value() ? (*mount)->source : "";
}

}  // namespace berth
