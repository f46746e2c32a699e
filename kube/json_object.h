#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kube/codec.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

// An object in the API's JSON: a custom resource, or one whose JSON itself matters. What is read
// of its metadata is also there as a message; the two are not kept equal, so neither is changed.
class JsonObject {
 public:
  JsonObject() = default;
  explicit JsonObject(nlohmann::json body);

  const nlohmann::json& body() const { return body_; }
  // Names, uid, versions, times, labels, annotations, finalizers and owners.
  const meta::ObjectMeta& metadata() const { return metadata_; }
  // Removes a part of the body, which is no metadata but for managedFields.
  void Drop(const nlohmann::json::json_pointer& part);

 private:
  nlohmann::json body_ = nlohmann::json::object();
  meta::ObjectMeta metadata_;
};

// DATA_LOSS for anything but a JSON object.
template <>
StatusOr<JsonObject> ParseMessage<JsonObject>(std::string_view raw);

// Cuts from an object who wrote which field.
template <typename T>
void DropManagedFields(T& object) {
  object.mutable_metadata()->clear_managedfields();
}
template <>
void DropManagedFields<JsonObject>(JsonObject& object);

// The metadata of a serialised object, whatever its kind.
StatusOr<meta::ObjectMeta> MetadataOf(Encoding encoding, std::string_view raw);

// A meta.v1.Status that came as JSON.
meta::Status StatusFromJson(const nlohmann::json& json);

// ForEachListItem for a list that came as JSON.
Status ForEachJsonListItem(std::string_view list, meta::ListMeta& list_meta,
                           const std::function<Status(std::string_view)>& item);

}  // namespace berth::kube
