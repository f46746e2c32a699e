// The API's protobuf encoding: an object on the wire is the four bytes "k8s\0" and a
// runtime.Unknown, whose raw field holds the message; a watch is a sequence of frames, each a
// 4-byte big-endian length and a bare meta.v1.WatchEvent whose object is encoded like that.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

inline constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";
inline constexpr std::string_view kProtobufWatchType =
    "application/vnd.kubernetes.protobuf;stream=watch";
inline constexpr std::string_view kJsonType = "application/json";

// The wire form of `message`, which is of the resource's kind.
std::string EncodeObject(const Resource& resource, const google::protobuf::MessageLite& message);
// For messages that are no resource, such as meta.v1's DeleteOptions.
std::string EncodeObject(std::string_view api_version, std::string_view kind,
                         const google::protobuf::MessageLite& message);

// What an envelope holds. `raw` is a serialised message.
struct WireObject {
  std::string api_version;
  std::string kind;
  std::string raw;
};
// DATA_LOSS for anything but a well-formed envelope.
StatusOr<WireObject> DecodeObject(std::string_view wire);

// DATA_LOSS when `raw` is no T.
template <typename T>
StatusOr<T> ParseMessage(std::string_view raw) {
  T message;
  if (!message.ParseFromArray(raw.data(), static_cast<int>(raw.size()))) {
    return absl::DataLossError(message.GetTypeName() + ": the API server's reply does not parse");
  }
  return message;
}

// Walks a list message (field 1 ListMeta, field 2 items: so for every kind of list) without copying
// it: `item` gets each item's serialised message. Ends at the first error `item` returns.
Status ForEachListItem(std::string_view list, meta::ListMeta& list_meta,
                       const std::function<Status(std::string_view)>& item);

// Cuts a JSON watch's byte stream into its lines: the server writes each event as one.
class LineReader {
 public:
  explicit LineReader(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}
  // Takes the next bytes and calls `line` for each line they complete. RESOURCE_EXHAUSTED for a
  // line above the limit, else the first error of `line`.
  Status Feed(std::string_view bytes, const std::function<Status(std::string_view)>& line);

 private:
  const size_t max_line_bytes_;
  std::string pending_;
};

// Cuts a watch's byte stream into frames.
class FrameReader {
 public:
  explicit FrameReader(size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}
  // Takes the next bytes and calls `frame` for each frame they complete. RESOURCE_EXHAUSTED for a
  // frame above the limit, else the first error of `frame`.
  Status Feed(std::string_view bytes, const std::function<Status(std::string_view)>& frame);

 private:
  const size_t max_frame_bytes_;
  std::string pending_;
};

}  // namespace berth::kube
