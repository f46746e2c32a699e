#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace berth {

// What the registry knows of one volume: what was asked, what state it is in, who may write to it
// and what file system it holds. Readable JSON in one omap value; the image itself carries copies
// for people only.

enum class VolumeState {
  kCreating,  // written before the image is made; a retry of the same request goes on from here
  kReady,     // the image exists and belongs to Berth
  kForeign,   // the image exists and was made by somebody else: published on request, never deleted
  kDeleting,  // on its way to the trash; a retry of the delete goes on from here
};

// The writer claim's states. rbd/writer_claim.h has the transitions.
enum class ClaimState { kFree, kPublished, kOpening, kOpen, kClosed, kRevoking };

// How a volume is published. Kubernetes' names for CSI's access modes.
enum class AccessMode {
  kReadWriteOnce,     // one node; also CSI's SINGLE_NODE_READER_ONLY, which lets no other node in
  kReadWriteOncePod,  // one node, and there one pod
  kReadOnlyMany,      // any number of nodes, none of which writes
  kReadWriteMany,     // any number of nodes that write; raw block volumes only
};

// What one node has of a volume: alone, or beside others (SharedClaims). `epoch` grows with every
// publish and every release and never goes back.
struct WriterClaim {
  uint64_t epoch = 0;
  std::string node;     // CSI node id of the holder; empty when free
  std::string boot_id;  // of the node when it opened; empty before
  ClaimState state = ClaimState::kFree;
  std::vector<std::string>
      instances;  // addresses of the client instances that may have opened the image
  std::vector<std::string> dead;  // those of `instances` whose process the holder has seen dead
  bool one_pod = false;           // published as ReadWriteOncePod: for people
  bool operator==(const WriterClaim&) const = default;
};

// The nodes that share a volume. A reader's claim has no instances: it cannot write, so there is
// nothing to fence. rbd/volume_claims.h has the transitions.
struct SharedClaims {
  AccessMode mode = AccessMode::kReadOnlyMany;  // or kReadWriteMany
  std::vector<WriterClaim> claims;              // by node; none is free, and there is at least one
  bool operator==(const SharedClaims&) const = default;
};

enum class FormatState {
  kNone,        // Berth never made a file system here
  kFormatting,  // mkfs was started (recorded before it) and may have been cut off; never mounted
  kFormatted,   // made, and from then on never made again
};

struct FileSystemRecord {
  FormatState state = FormatState::kNone;
  std::string type;  // "ext4"
  std::string uuid;
  uint64_t epoch = 0;  // of the claim under which formatting began
  bool operator==(const FileSystemRecord&) const = default;
};

struct VolumeRecord {
  std::string image;         // the key: image name in the record's pool and namespace
  std::string request_name;  // CreateVolume's name; empty for foreign
  std::string request;       // everything else that was asked, in words: a retry must ask the same
  VolumeState state = VolumeState::kCreating;
  std::string image_id;
  uint64_t size_bytes = 0;
  std::map<std::string, std::string> owner;  // names of the Kubernetes objects, for people
  FileSystemRecord file_system;
  WriterClaim writer;  // free while `shared`; its epoch is then the newest of the volume's claims
  std::optional<SharedClaims> shared;
  int64_t trash_retention_s = 0;  // how long the image stays in the trash after a delete
  int64_t attempted_s = 0;        // Unix time of the last attempt to make the image; 0: not known
  nlohmann::json unknown = nlohmann::json::object();  // members that a newer version wrote: kept

  std::string ToJson() const;
};

// DATA_LOSS naming the image when the text is no record or of a version that this program cannot
// read.
StatusOr<VolumeRecord> ParseVolumeRecord(std::string_view image, std::string_view json);

// What remains of a deleted volume until its image is purged from the trash.
struct TrashRecord {
  std::string image_id;       // the key
  std::string image;          // the name it had
  int64_t purge_after_s = 0;  // Unix time from which the image may be purged
  VolumeRecord volume;        // as it was, for an undelete

  std::string ToJson() const;
};
StatusOr<TrashRecord> ParseTrashRecord(std::string_view image_id, std::string_view json);

std::string_view ClaimStateName(ClaimState state);

// Whether several nodes may have the volume at once.
bool IsShared(AccessMode mode);

// "RWO", "RWOP", "ROX", "RWX"
std::string_view AccessModeName(AccessMode mode);

}  // namespace berth
