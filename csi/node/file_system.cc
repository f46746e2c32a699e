#include "csi/node/file_system.h"

#include <spdlog/fmt/fmt.h>

#include <variant>

#include "csi/node/check.h"
#include "csi/node/format.h"
#include "csi/node/probe.h"

namespace berth {
namespace {

// One overload per content: a new one that is forgotten does not compile.
class Preparation {
 public:
  Preparation(const FileSystemRequest& request, Formatting& formatting)
      : request_(request), formatting_(formatting) {}

  Status operator()(const Blank&) const {
    if (request_.read_only)
      return Refuse("nothing", "stage it writable once, so that it is formatted");
    return Format();
  }

  Status operator()(const UnknownData&) const {
    BERTH_ASSIGN_OR_RETURN(const FileSystemRecord record,
                           formatting_.Get(request_.volume, request_.user));
    if (record.state == FormatState::kFormatting && !request_.read_only) return Format();
    return Refuse("data of a kind that libblkid does not know",
                  "publish it as a raw block volume, or blank it if the data is not needed");
  }

  Status operator()(const FileSystem& found) const {
    if (found.type != request_.fs_type) {
      return Refuse(
          fmt::format("a file system of type {}", found.type),
          fmt::format("ask for fstype {}, or blank it if the data is not needed", found.type));
    }
    if (request_.read_only) return absl::OkStatus();
    BERTH_RETURN_IF_ERROR(CheckExt4(request_.device));
    BERTH_ASSIGN_OR_RETURN(const FileSystemRecord record,
                           formatting_.Get(request_.volume, request_.user));
    // mkfs writes its superblock last, so a file system with the recorded UUID is a finished one.
    if (record.state != FormatState::kFormatting || record.uuid != found.uuid) {
      return absl::OkStatus();
    }
    return formatting_.Complete(request_.volume, request_.node_id, request_.epoch, request_.user);
  }

  Status operator()(const OtherContent& found) const {
    return Refuse(found.what,
                  "publish it as a raw block volume, or blank it if the data is not needed");
  }

  Status operator()(const Unreadable& unreadable) const {
    return Annotate(unreadable.error,
                    fmt::format("volume {} cannot be read, so it is neither mounted nor formatted",
                                request_.volume.ToString()));
  }

 private:
  Status Format() const {
    BERTH_ASSIGN_OR_RETURN(const std::string proposed, NewUuid());
    const StatusOr<std::string> uuid =
        formatting_.Begin(request_.volume, request_.node_id, request_.epoch, request_.fs_type,
                          proposed, request_.user);
    if (!uuid.ok()) {
      return Annotate(uuid.status(), fmt::format("volume {} on {} is not formatted",
                                                 request_.volume.ToString(), request_.device));
    }
    BERTH_RETURN_IF_ERROR(MakeExt4(request_.device, *uuid));
    return formatting_.Complete(request_.volume, request_.node_id, request_.epoch, request_.user);
  }

  Status Refuse(const std::string& found, const std::string& what_to_do) const {
    return absl::FailedPreconditionError(fmt::format(
        "volume {} on {} holds {} where {} was asked for, and is not formatted; {}",
        request_.volume.ToString(), request_.device, found, request_.fs_type, what_to_do));
  }

  const FileSystemRequest& request_;
  Formatting& formatting_;
};

}  // namespace

Status PrepareFileSystem(const FileSystemRequest& request, Formatting& formatting) {
  return std::visit(Preparation(request, formatting), ProbeDevice(request.device));
}

}  // namespace berth
