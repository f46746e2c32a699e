#include "kube/codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <spdlog/fmt/fmt.h>

#include "k8s.io/apimachinery/pkg/runtime/generated.pb.h"

namespace berth::kube {
namespace {

namespace runtime = ::k8s::io::apimachinery::pkg::runtime;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::string_view kMagic("k8s\0", 4);
constexpr size_t kLengthBytes = 4;

size_t FrameLength(std::string_view bytes) {
  size_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return length;
}

Status MalformedList() {
  return absl::DataLossError("list: the API server's reply does not parse");
}

}  // namespace

std::string EncodeObject(std::string_view api_version, std::string_view kind,
                         const google::protobuf::MessageLite& message) {
  runtime::Unknown envelope;
  envelope.mutable_typemeta()->set_apiversion(std::string(api_version));
  envelope.mutable_typemeta()->set_kind(std::string(kind));
  message.SerializeToString(envelope.mutable_raw());
  std::string wire(kMagic);
  envelope.AppendToString(&wire);
  return wire;
}

std::string EncodeObject(const Resource& resource, const google::protobuf::MessageLite& message) {
  return EncodeObject(resource.ApiVersion(), resource.kind, message);
}

StatusOr<WireObject> DecodeObject(std::string_view wire) {
  if (wire.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("the API server's reply is not in its protobuf encoding");
  }
  BERTH_ASSIGN_OR_RETURN(runtime::Unknown envelope,
                         ParseMessage<runtime::Unknown>(wire.substr(kMagic.size())));
  return WireObject{std::move(*envelope.mutable_typemeta()->mutable_apiversion()),
                    std::move(*envelope.mutable_typemeta()->mutable_kind()),
                    std::move(*envelope.mutable_raw())};
}

Status ForEachListItem(std::string_view list, meta::ListMeta& list_meta,
                       const std::function<Status(std::string_view)>& item) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(list.data()),
                         static_cast<int>(list.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return MalformedList();
      continue;
    }
    uint32_t length = 0;
    if (!input.ReadVarint32(&length)) return MalformedList();
    const auto position = static_cast<size_t>(input.CurrentPosition());
    if (length > list.size() - position || !input.Skip(static_cast<int>(length))) {
      return MalformedList();
    }
    const std::string_view field = list.substr(position, length);
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case 1: {
        BERTH_ASSIGN_OR_RETURN(list_meta, ParseMessage<meta::ListMeta>(field));
        break;
      }
      case 2:
        BERTH_RETURN_IF_ERROR(item(field));
        break;
      default:
        break;
    }
  }
  if (!input.ConsumedEntireMessage()) return MalformedList();
  return absl::OkStatus();
}

Status FrameReader::Feed(std::string_view bytes,
                         const std::function<Status(std::string_view)>& frame) {
  pending_.append(bytes);
  std::string_view rest = pending_;
  while (rest.size() >= kLengthBytes) {
    const size_t length = FrameLength(rest);
    if (length > max_frame_bytes_) {
      return absl::ResourceExhaustedError(fmt::format(
          "watch: an event of {} bytes is above the limit of {}", length, max_frame_bytes_));
    }
    if (rest.size() - kLengthBytes < length) break;
    BERTH_RETURN_IF_ERROR(frame(rest.substr(kLengthBytes, length)));
    rest.remove_prefix(kLengthBytes + length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return absl::OkStatus();
}

Status LineReader::Feed(std::string_view bytes,
                        const std::function<Status(std::string_view)>& line) {
  while (true) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (pending_.size() + part.size() > max_line_bytes_) {
      return absl::ResourceExhaustedError(
          fmt::format("watch: an event is above the limit of {} bytes", max_line_bytes_));
    }
    pending_.append(part);
    if (end == std::string_view::npos) return absl::OkStatus();
    const std::string whole = std::move(pending_);
    pending_.clear();
    BERTH_RETURN_IF_ERROR(line(whole));
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace berth::kube
