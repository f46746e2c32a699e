#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/process.h"
#include "base/status.h"
#include "csi.grpc.pb.h"

namespace berth {

// The programs of one node and a controller, as they run in a cluster, and CSI's calls to them as a
// kubelet and an attacher make them: one volume at a time, ext4, one writer.
class CsiNode {
 public:
  using PublishContext = std::map<std::string, std::string>;

  // Starts them with their state and the volume's paths in `directory`, which may hold those of an
  // earlier boot. Throws when one does not start.
  CsiNode(const std::string& directory, const std::string& mounter);
  // Ends them; what is attached stays as the programs leave it.
  ~CsiNode();

  // Leaves the programs running: the machine is about to go down without a word to them.
  void Abandon();
  // Kills the programs of the node, I/O processes included, all at once, and starts them anew.
  void LoseEverything();

  StatusOr<std::string> CreateVolume(const std::string& name, int64_t bytes);
  Status DeleteVolume(const std::string& volume_id);
  StatusOr<PublishContext> ControllerPublish(const std::string& volume_id);
  Status ControllerUnpublish(const std::string& volume_id);
  Status Stage(const std::string& volume_id, const PublishContext& context);
  Status Unstage(const std::string& volume_id);
  Status NodePublish(const std::string& volume_id, const PublishContext& context);
  Status NodeUnpublish(const std::string& volume_id);

  const std::string& staging_path() const { return staging_path_; }
  const std::string& target_path() const { return target_path_; }
  // "/dev/rbd0": what is mounted at the staging path; empty when nothing is.
  std::string StagedDevice() const;

 private:
  void Start(const std::string& program, const std::vector<std::string>& flags);
  void StartNode();

  const std::string directory_;
  const std::string sockets_;
  const std::string mounter_;
  const std::string node_id_;
  const std::string staging_path_;
  const std::string target_path_;
  std::map<std::string, ChildProcess> programs_;
  std::unique_ptr<csi::v1::Controller::Stub> controller_;
  std::unique_ptr<csi::v1::Node::Stub> node_;
};

}  // namespace berth
