#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "rbd/attacher.h"
#include "rbd/data/loop_device.h"

namespace berth {

// Where a test makes the process under test die: what an object of the world throws at that point.
// Nobody catches it but the test, which then goes on with new objects, as a new process would.
struct Crash {};

// A world of images on one node, kept as sparse files behind real loop devices. It outlives the
// services of a test, as berth-data outlives berth-node, and holds Attacher's contract. Not
// thread-safe.
class LoopAttacher final : public Attacher {
 public:
  explicit LoopAttacher(std::string directory) : directory_(std::move(directory)) {}
  ~LoopAttacher() override;

  // Called with "before attach", "after attach", "before detach", "after detach".
  void SetHook(std::function<void(const std::string&)> hook) { hook_ = std::move(hook); }
  // What the next List says of the devices.
  void SetHealthy(bool healthy) { healthy_ = healthy; }
  void MakeImage(const VolumeHandle& volume, uint64_t bytes);
  size_t attached() const { return attached_.size(); }

  StatusOr<Attachment> Attach(const AttachRequest& request, absl::Time deadline) override;
  Status Detach(const VolumeHandle& volume, absl::Time deadline) override;
  StatusOr<std::vector<Attachment>> List(absl::Time deadline) override;

 private:
  struct Attached {
    uint64_t epoch;
    LoopDevice device;
  };
  std::string PathOf(const VolumeHandle& volume) const;
  Attachment ToAttachment(const VolumeHandle& volume, const Attached& attached) const;

  const std::string directory_;
  std::function<void(const std::string&)> hook_ = [](const std::string&) {};
  bool healthy_ = true;
  std::map<VolumeHandle, Attached> attached_;
};

}  // namespace berth
