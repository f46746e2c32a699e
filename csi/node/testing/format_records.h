#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "rbd/formatting.h"

namespace berth {

// The registry's half of formatting, in memory, with Formatting's contract for Berth's own images:
// what a test of the node needs of a cluster. Not thread-safe.
class FormatRecords final : public Formatting {
 public:
  FormatRecords() : Formatting(no_connections_) {}

  // Called with "before begin", "after begin", "before complete", "after complete".
  void SetHook(std::function<void(const std::string&)> hook) { hook_ = std::move(hook); }
  FileSystemRecord& Record(const VolumeHandle& volume) { return records_[volume]; }

  StatusOr<std::string> Begin(const VolumeHandle& volume, const std::string&, uint64_t epoch,
                              const std::string& type, const std::string& uuid,
                              const std::optional<CephUser>&) override {
    hook_("before begin");
    FileSystemRecord& record = records_[volume];
    if (record.state == FormatState::kFormatted) {
      return absl::FailedPreconditionError("formatted before");
    }
    if (record.state == FormatState::kNone) record.uuid = uuid;
    record.state = FormatState::kFormatting;
    record.type = type;
    record.epoch = epoch;
    hook_("after begin");
    return record.uuid;
  }

  Status Complete(const VolumeHandle& volume, const std::string&, uint64_t,
                  const std::optional<CephUser>&) override {
    hook_("before complete");
    records_[volume].state = FormatState::kFormatted;
    hook_("after complete");
    return absl::OkStatus();
  }

  StatusOr<FileSystemRecord> Get(const VolumeHandle& volume,
                                 const std::optional<CephUser>&) override {
    return records_[volume];
  }

 private:
  Connections no_connections_{ClusterDirectory(""), std::chrono::seconds(1)};
  std::function<void(const std::string&)> hook_ = [](const std::string&) {};
  std::map<VolumeHandle, FileSystemRecord> records_;
};

}  // namespace berth
