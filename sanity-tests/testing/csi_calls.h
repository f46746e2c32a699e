#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"
#include "csi.grpc.pb.h"

namespace berth {

// A volume under test.
struct TestVolume {
  std::string id;      // its handle
  std::string name;    // "a", "b": of paths and logs
  bool block = false;  // raw block; else ext4
};

// The calls that the external attacher makes. Thread-safe. A controller that is not there answers
// UNAVAILABLE; one that does not answer, DEADLINE_EXCEEDED.
class ControllerCalls {
 public:
  explicit ControllerCalls(const std::string& socket);
  bool WaitUntilServed(absl::Time deadline) const;
  // In pool "rbd"; `rados_namespace` empty: the default one. The handle of the volume.
  StatusOr<std::string> Create(const std::string& name, uint64_t bytes, absl::Duration timeout,
                               const std::string& rados_namespace = "");
  Status Delete(const std::string& volume_id, absl::Duration timeout);
  // The epoch.
  StatusOr<uint64_t> Publish(const TestVolume& volume, const std::string& node,
                             absl::Duration timeout);
  Status Unpublish(const TestVolume& volume, const std::string& node, absl::Duration timeout);

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<csi::v1::Controller::Stub> stub_;
};

// The calls that the kubelet makes. Thread-safe; errors as above.
class NodeCalls {
 public:
  // `directory` holds staging and target paths.
  NodeCalls(const std::string& socket, std::string directory);
  bool WaitUntilServed(absl::Time deadline) const;
  Status Stage(const TestVolume& volume, uint64_t epoch, absl::Duration timeout);
  Status Publish(const TestVolume& volume, uint64_t epoch, absl::Duration timeout);
  Status Unpublish(const TestVolume& volume, absl::Duration timeout);
  Status Unstage(const TestVolume& volume, absl::Duration timeout);
  // Where the pod sees the volume.
  std::string TargetPath(const TestVolume& volume) const;

 private:
  std::string StagingPath(const TestVolume& volume) const;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<csi::v1::Node::Stub> stub_;
  const std::string directory_;
};

}  // namespace berth
