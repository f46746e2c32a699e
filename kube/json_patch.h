#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/meta_v1.h"

namespace berth::kube {

// A JSON patch (RFC 6902). A failing Test makes the server refuse the whole patch.
class JsonPatch {
 public:
  JsonPatch& Test(std::string_view path, nlohmann::json value);
  JsonPatch& Add(std::string_view path, nlohmann::json value);
  JsonPatch& Remove(std::string_view path);
  JsonPatch& Append(const JsonPatch& other);

  bool empty() const { return operations_.empty(); }
  std::string String() const { return operations_.dump(); }

  // One reference token of a path: "~" and "/" escaped (RFC 6901).
  static std::string Escape(std::string_view token);

 private:
  nlohmann::json operations_ = nlohmann::json::array();
};

bool HasFinalizer(const meta::ObjectMeta& metadata, std::string_view finalizer);
// The annotation's value; empty when there is none.
std::string Annotation(const meta::ObjectMeta& metadata, std::string_view name);

// What shall be different in an object's metadata.
struct MetadataChange {
  std::map<std::string, std::string> set_annotations = {};
  std::vector<std::string> remove_annotations = {};
  std::vector<std::string> add_finalizers = {};
  std::vector<std::string> remove_finalizers = {};
};

// The patch that makes `change` to the object seen with metadata `seen`; empty when nothing is
// left to do. It applies only to that very object (uid) and only while its finalizers are those
// that were seen, so that two writers cannot lose each other's; other fields may have changed.
JsonPatch PatchFor(const meta::ObjectMeta& seen, const MetadataChange& change);

}  // namespace berth::kube
