#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "rbd/volume_handle.h"

namespace berth {

// How a volume was asked to be accessed: what must not differ in a repeated NodeStageVolume.
struct Access {
  bool block = false;                         // raw block device; else a file system
  std::string fs_type = {};                   // empty for block
  std::vector<std::string> mount_flags = {};  // options of mount(8)'s -o
  bool read_only = false;
  bool operator==(const Access&) const = default;
};

// One NodePublishVolume.
struct Publication {
  bool read_only = false;
  bool at_most_one_path = false;  // no other target path beside it
  nlohmann::json unknown = nlohmann::json::object();
};

// What this node did, or was about to do, for one volume. Each part is written before the side
// effect that it speaks of, so that a new process knows everything that may have happened.
struct StageRecord {
  VolumeHandle volume;
  uint64_t epoch = 0;   // of the writer claim
  std::string boot_id;  // of the node: mounts and devices of another boot are gone
  std::string staging_path;
  Access access;
  std::string device;       // "/dev/loop7"; empty before it is attached
  dev_t device_number = 0;  // of `device`; by it mounts are known to be this volume's
  std::map<std::string, Publication> targets;         // by target path
  nlohmann::json unknown = nlohmann::json::object();  // members that a newer version wrote: kept

  std::string ToJson() const;
};

// DATA_LOSS when the text is no stage record, or of a version that this program cannot read. It
// reads its own version and the one after, which may only add members.
StatusOr<StageRecord> ParseStageRecord(std::string_view json);

// The stage records of a node: a JSON file per volume in one directory, which must outlive the
// process and the pod but not the node's disk. A Put is on disk when it returns: written aside,
// synced, renamed, the directory synced. Thread-safe for different volumes; callers hold the
// volume's guard.
class StageRecords {
 public:
  // Makes the directory (mode 0700) when it is missing.
  static StatusOr<StageRecords> Open(const std::string& directory);

  // nullopt when there is none.
  StatusOr<std::optional<StageRecord>> Get(const VolumeHandle& volume) const;
  Status Put(const StageRecord& record) const;
  // OK when there is none.
  Status Remove(const VolumeHandle& volume) const;
  // Every record, by volume. Files that are no record are an error: they are named and not touched.
  StatusOr<std::vector<StageRecord>> List() const;

 private:
  explicit StageRecords(std::string directory) : directory_(std::move(directory)) {}
  std::string PathOf(const VolumeHandle& volume) const;
  Status SyncDirectory() const;

  std::string directory_;
};

}  // namespace berth
