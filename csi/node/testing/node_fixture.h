#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "csi/node/publish_volume.h"
#include "csi/node/stage_record.h"
#include "csi/node/stage_volume.h"
#include "csi/node/testing/format_records.h"
#include "csi/node/testing/loop_attacher.h"

namespace berth {

// One node with one 16 MiB image, real mounts and real loop devices, in a directory of its own.
// What it leaves mounted is taken away at the end.
class NodeTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // What a new process of berth-node starts with; `boot_id` when the node was booted meanwhile.
  void Restart(const std::string& boot_id = "boot-1");

  Status Stage(uint64_t epoch = 1) { return Stage(StageOf(epoch)); }
  Status Stage(const StageRequest& request) { return staging_->Stage(request, Deadline()); }
  Status Unstage() { return staging_->Unstage(volume_, staging_path_, Deadline()); }
  Status Publish() { return Publish(PublishAt(target_)); }
  Status Publish(const PublishRequest& request) {
    return publishing_->Publish(request, Deadline());
  }
  Status Unpublish(const std::string& target) { return publishing_->Unpublish(volume_, target); }

  StageRequest StageOf(uint64_t epoch) const;
  StageRequest StageBlock() const;
  PublishRequest PublishAt(const std::string& target) const;
  PublishRequest PublishBlockAt(const std::string& target) const;

  // Nothing of the volume is on the node: no mount, no device, no record.
  void ExpectNothingIsLeft();
  static bool IsMounted(const std::string& path);
  static void Write(const std::string& path, const std::string& text);
  static std::string Read(const std::string& path);
  static absl::Time Deadline() { return absl::Now() + absl::Seconds(60); }

  const VolumeHandle volume_{.cluster = "lab", .pool = "rbd", .rados_namespace = "", .image = "v1"};
  std::string directory_;
  std::string staging_path_;
  std::string target_;
  NodeIdentity node_{.node_id = "node-a", .boot_id = "boot-1"};
  std::unique_ptr<LoopAttacher> attacher_;
  FormatRecords formatting_;
  std::optional<StageRecords> records_;
  std::optional<VolumeStaging> staging_;
  std::optional<VolumePublishing> publishing_;
};

}  // namespace berth
