#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "data_path.grpc.pb.h"
#include "rbd/attacher.h"

namespace berth {

// The attacher behind berth-data's socket. Connects when first used and again when berth-data was
// restarted; beside Attacher's errors it answers UNAVAILABLE, naming the socket, while nobody
// listens there, and DEADLINE_EXCEEDED with an unknown outcome. Thread-safe.
class DataPathClient final : public Attacher {
 public:
  explicit DataPathClient(const std::string& socket_path);

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override;
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override;

 private:
  Status ToStatus(const grpc::Status& status) const;

  const std::string socket_path_;
  const std::unique_ptr<data::v1::DataPath::Stub> stub_;
};

}  // namespace berth
