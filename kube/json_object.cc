#include "kube/json_object.h"

#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "kube/json_fields.h"
#include "kube/time.h"

namespace berth::kube {
namespace {

using nlohmann::json;

std::optional<meta::Time> ReadTime(const json& object, const char* name) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, TextIn(object, name), &time, nullptr))
    return std::nullopt;
  return ToTime(time);
}

meta::ObjectMeta ReadMetadata(const json& object) {
  meta::ObjectMeta metadata;
  metadata.set_name(TextIn(object, "name"));
  metadata.set_generatename(TextIn(object, "generateName"));
  metadata.set_namespace_(TextIn(object, "namespace"));
  metadata.set_uid(TextIn(object, "uid"));
  metadata.set_resourceversion(TextIn(object, "resourceVersion"));
  metadata.set_generation(NumberIn(object, "generation").value_or(0));
  if (const auto time = ReadTime(object, "creationTimestamp")) {
    *metadata.mutable_creationtimestamp() = *time;
  }
  if (const auto time = ReadTime(object, "deletionTimestamp")) {
    *metadata.mutable_deletiontimestamp() = *time;
  }
  for (const auto& [key, value] : TextsIn(object, "labels")) {
    (*metadata.mutable_labels())[key] = value;
  }
  for (const auto& [key, value] : TextsIn(object, "annotations")) {
    (*metadata.mutable_annotations())[key] = value;
  }
  for (const json& finalizer : Member(object, "finalizers")) {
    if (finalizer.is_string()) metadata.add_finalizers(finalizer.get<std::string>());
  }
  for (const json& owner : Member(object, "ownerReferences")) {
    meta::OwnerReference& reference = *metadata.add_ownerreferences();
    reference.set_apiversion(TextIn(owner, "apiVersion"));
    reference.set_kind(TextIn(owner, "kind"));
    reference.set_name(TextIn(owner, "name"));
    reference.set_uid(TextIn(owner, "uid"));
    reference.set_controller(FlagIn(owner, "controller"));
    reference.set_blockownerdeletion(FlagIn(owner, "blockOwnerDeletion"));
  }
  return metadata;
}

}  // namespace

JsonObject::JsonObject(json body)
    : body_(std::move(body)), metadata_(ReadMetadata(Member(body_, "metadata"))) {}

void JsonObject::Drop(const json::json_pointer& part) {
  const json::json_pointer parent = part.parent_pointer();
  if (body_.contains(parent)) body_[parent].erase(part.back());
}

template <>
StatusOr<JsonObject> ParseMessage<JsonObject>(std::string_view raw) {
  json body = json::parse(raw, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) {
    return absl::DataLossError("the API server's reply is no JSON object");
  }
  return JsonObject(std::move(body));
}

template <>
void DropManagedFields<JsonObject>(JsonObject& object) {
  object.Drop(json::json_pointer("/metadata/managedFields"));
}

StatusOr<meta::ObjectMeta> MetadataOf(Encoding encoding, std::string_view raw) {
  switch (encoding) {
    case Encoding::kProtobuf: {
      BERTH_ASSIGN_OR_RETURN(const auto object, ParseMessage<meta::PartialObjectMetadata>(raw));
      return object.metadata();
    }
    case Encoding::kJson: {
      BERTH_ASSIGN_OR_RETURN(const JsonObject object, ParseMessage<JsonObject>(raw));
      return object.metadata();
    }
  }
  return absl::InternalError("an encoding of no name");
}

meta::Status StatusFromJson(const json& json_status) {
  meta::Status status;
  status.set_message(TextIn(json_status, "message"));
  status.set_reason(TextIn(json_status, "reason"));
  status.set_code(static_cast<int32_t>(NumberIn(json_status, "code").value_or(0)));
  const json& details = Member(json_status, "details");
  if (details.is_object()) {
    status.mutable_details()->set_retryafterseconds(
        static_cast<int32_t>(NumberIn(details, "retryAfterSeconds").value_or(0)));
    for (const json& cause : Member(details, "causes")) {
      status.mutable_details()->add_causes()->set_message(TextIn(cause, "message"));
    }
  }
  return status;
}

Status ForEachJsonListItem(std::string_view list, meta::ListMeta& list_meta,
                           const std::function<Status(std::string_view)>& item) {
  BERTH_ASSIGN_OR_RETURN(const JsonObject parsed, ParseMessage<JsonObject>(list));
  const json& metadata = Member(parsed.body(), "metadata");
  list_meta.set_resourceversion(TextIn(metadata, "resourceVersion"));
  list_meta.set_continue_(TextIn(metadata, "continue"));
  for (const json& object : Member(parsed.body(), "items")) {
    BERTH_RETURN_IF_ERROR(item(object.dump()));
  }
  return absl::OkStatus();
}

}  // namespace berth::kube
