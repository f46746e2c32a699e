#include "kube/json_patch.h"

#include <algorithm>

#include "absl/strings/str_replace.h"

namespace berth::kube {
namespace {

constexpr char kFinalizers[] = "/metadata/finalizers";
constexpr char kAnnotations[] = "/metadata/annotations";

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

void ChangeFinalizers(const meta::ObjectMeta& seen, const MetadataChange& change,
                      JsonPatch& patch) {
  const std::vector<std::string> before(seen.finalizers().begin(), seen.finalizers().end());
  std::vector<std::string> after;
  for (const std::string& finalizer : before) {
    if (!Contains(change.remove_finalizers, finalizer)) after.push_back(finalizer);
  }
  for (const std::string& finalizer : change.add_finalizers) {
    if (!Contains(after, finalizer)) after.push_back(finalizer);
  }
  if (after == before) return;
  patch.Test(kFinalizers, before.empty() ? nlohmann::json() : nlohmann::json(before));
  if (after.empty()) {
    patch.Remove(kFinalizers);
  } else {
    patch.Add(kFinalizers, after);
  }
}

void ChangeAnnotations(const meta::ObjectMeta& seen, const MetadataChange& change,
                       JsonPatch& patch) {
  const auto path = [](const std::string& name) {
    return std::string(kAnnotations) + "/" + JsonPatch::Escape(name);
  };
  bool map_exists = !seen.annotations().empty();
  for (const auto& [name, value] : change.set_annotations) {
    const auto old = seen.annotations().find(name);
    if (old != seen.annotations().end() && old->second == value) continue;
    if (!map_exists) {
      patch.Test(kAnnotations, nlohmann::json()).Add(kAnnotations, nlohmann::json::object());
      map_exists = true;
    }
    patch.Add(path(name), value);
  }
  for (const std::string& name : change.remove_annotations) {
    if (seen.annotations().contains(name)) patch.Remove(path(name));
  }
}

}  // namespace

JsonPatch& JsonPatch::Test(std::string_view path, nlohmann::json value) {
  operations_.push_back({{"op", "test"}, {"path", path}, {"value", std::move(value)}});
  return *this;
}

JsonPatch& JsonPatch::Add(std::string_view path, nlohmann::json value) {
  operations_.push_back({{"op", "add"}, {"path", path}, {"value", std::move(value)}});
  return *this;
}

JsonPatch& JsonPatch::Remove(std::string_view path) {
  operations_.push_back({{"op", "remove"}, {"path", path}});
  return *this;
}

JsonPatch& JsonPatch::Append(const JsonPatch& other) {
  operations_.insert(operations_.end(), other.operations_.begin(), other.operations_.end());
  return *this;
}

std::string JsonPatch::Escape(std::string_view token) {
  return absl::StrReplaceAll(absl::string_view(token.data(), token.size()),
                             {{"~", "~0"}, {"/", "~1"}});
}

bool HasFinalizer(const meta::ObjectMeta& metadata, std::string_view finalizer) {
  return std::find(metadata.finalizers().begin(), metadata.finalizers().end(), finalizer) !=
         metadata.finalizers().end();
}

std::string Annotation(const meta::ObjectMeta& metadata, std::string_view name) {
  const auto found = metadata.annotations().find(std::string(name));
  return found == metadata.annotations().end() ? std::string() : found->second;
}

JsonPatch PatchFor(const meta::ObjectMeta& seen, const MetadataChange& change) {
  JsonPatch changes;
  ChangeFinalizers(seen, change, changes);
  ChangeAnnotations(seen, change, changes);
  if (changes.empty()) return changes;
  return JsonPatch().Test("/metadata/uid", seen.uid()).Append(changes);
}

}  // namespace berth::kube
