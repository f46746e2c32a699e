#pragma once

#include <string>
#include <string_view>
#include <tuple>

namespace berth::kube {

// How objects of a resource travel. Custom resources know JSON alone; built-in ones know both.
enum class Encoding { kProtobuf, kJson };

// One kind of object as the API server names it. Names refer to string literals.
struct Resource {
  std::string_view group;  // empty: the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced;
  Encoding encoding = Encoding::kProtobuf;

  // "v1", "storage.k8s.io/v1"
  std::string ApiVersion() const;
  // The URL's path. An empty `ns` of a namespaced resource means all namespaces; an empty `name`
  // the collection; `subresource` is "status" or empty. Names are percent-encoded.
  std::string Path(std::string_view ns, std::string_view name, std::string_view subresource) const;
};

// Specialised for each message type that is an API object, in the header of its group:
//   template <> struct ResourceOf<T> { static constexpr Resource kResource{...}; };
template <typename T>
struct ResourceOf;

// An object's address within its resource.
struct ObjectKey {
  std::string ns;  // empty for cluster-scoped objects
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
  // "namespace/name", or "name" when the object has no namespace.
  std::string String() const { return ns.empty() ? name : ns + "/" + name; }
  // The opposite of String(). A name holds no slash.
  static ObjectKey Parse(std::string_view text);
};

// Whether a resource version is from before another of the same resource. They are decimal numbers
// that grow (Kubernetes 1.35 says so officially); empty is the oldest.
bool IsOlder(std::string_view resource_version, std::string_view than);

template <typename T>
ObjectKey KeyOf(const T& object) {
  return ObjectKey{object.metadata().namespace_(), object.metadata().name()};
}

}  // namespace berth::kube
