#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "kube/cancellation.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/json_object.h"
#include "kube/json_patch.h"
#include "kube/meta_v1.h"
#include "kube/resource.h"

namespace berth::kube {

inline constexpr absl::Duration kCallTimeout = absl::Seconds(15);

enum class Verb { kGet, kList, kCreate, kUpdate, kPatch, kDelete };
enum class PatchType { kJson, kMerge, kStrategicMerge };

// Which objects of a resource a list or a watch is about.
struct Selector {
  std::string ns = {};              // empty: all namespaces
  std::string label_selector = {};  // "a=b,c in (d,e)"; empty: all
  std::string field_selector = {};  // "metadata.name=x"; empty: all
};

struct ApiRequest {
  Verb verb = Verb::kGet;
  Resource resource{};
  Selector selector;        // `ns` for every verb, the rest for kList
  std::string name;         // empty for kList and kCreate
  std::string subresource;  // "status", or empty
  PatchType patch_type = PatchType::kJson;
  std::string body;            // an encoded object, delete options, or a patch in JSON
  int64_t limit = 0;           // kList: objects a page, 0: all
  std::string continue_token;  // kList: of the page before
  absl::Duration timeout = kCallTimeout;

  // "update persistentvolumes/pvc-1": how errors begin.
  std::string Describe() const;
};

struct WatchRequest {
  Resource resource{};
  Selector selector;
  std::string resource_version;               // empty only with send_initial_events
  bool send_initial_events = false;           // WatchList: what exists comes first as ADDED events
  absl::Duration timeout = absl::Minutes(5);  // after which the server ends the stream
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type;
  std::string raw;  // the serialised object
};

struct DeleteOptions {
  std::string uid = {};               // delete only this very object; empty: any of that name
  std::string resource_version = {};  // ... in this very version
  std::optional<int64_t> grace_period_seconds = {};
};

// The verbs of the Kubernetes API on typed objects. `T` is a message with a ResourceOf<T>; objects
// keep fields that this program does not know. The calls that end in "Json" take a resource with
// Encoding::kJson instead. Errors are those of kube/api_error.h; an error after
// which a write may have happened (OutcomeIsUnknown) is not retried here. Every call blocks for at
// most `timeout`. Thread-safe.
class ApiClient {
 public:
  virtual ~ApiClient() = default;

  template <typename T>
  StatusOr<T> Get(const ObjectKey& key, absl::Duration timeout = kCallTimeout) {
    ApiRequest request = RequestFor<T>(Verb::kGet, key);
    request.timeout = timeout;
    return Typed<T>(request);
  }

  // Calls `each` for every object, page after page of `page_size`; returns the list's resource
  // version. Ends at the first error of `each`. OUT_OF_RANGE when the list took so long that its
  // next page is gone.
  template <typename T>
  StatusOr<std::string> ForEach(const Selector& selector, const std::function<Status(T)>& each,
                                int64_t page_size = 500) {
    return ForEachRaw(
        ResourceOf<T>::kResource, selector,
        [&each](std::string_view raw) -> Status {
          BERTH_ASSIGN_OR_RETURN(T object, ParseMessage<T>(raw));
          return each(std::move(object));
        },
        page_size);
  }
  // The same without types, for callers that parse themselves.
  StatusOr<std::string> ForEachRaw(const Resource& resource, const Selector& selector,
                                   const std::function<Status(std::string_view)>& each,
                                   int64_t page_size = 500);

  // The object as the server stored it.
  template <typename T>
  StatusOr<T> Create(const T& object, absl::Duration timeout = kCallTimeout) {
    ApiRequest request = RequestFor<T>(Verb::kCreate, {object.metadata().namespace_(), ""});
    request.body = EncodeObject(request.resource, object);
    request.timeout = timeout;
    return Typed<T>(request);
  }
  // Replaces the object. With a resource version in it, ABORTED when somebody else wrote first.
  template <typename T>
  StatusOr<T> Update(const T& object, std::string_view subresource = "",
                     absl::Duration timeout = kCallTimeout) {
    ApiRequest request = RequestFor<T>(Verb::kUpdate, KeyOf(object));
    request.subresource = std::string(subresource);
    request.body = EncodeObject(request.resource, object);
    request.timeout = timeout;
    return Typed<T>(request);
  }
  // ABORTED when a test operation of a JSON patch fails: read the object again and decide anew.
  template <typename T>
  StatusOr<T> Patch(const ObjectKey& key, const JsonPatch& patch, std::string_view subresource = "",
                    absl::Duration timeout = kCallTimeout) {
    return Patch<T>(key, PatchType::kJson, patch.String(), subresource, timeout);
  }
  template <typename T>
  StatusOr<T> Patch(const ObjectKey& key, PatchType type, std::string json,
                    std::string_view subresource = "", absl::Duration timeout = kCallTimeout) {
    ApiRequest request = RequestFor<T>(Verb::kPatch, key);
    request.subresource = std::string(subresource);
    request.patch_type = type;
    request.body = std::move(json);
    request.timeout = timeout;
    return Typed<T>(request);
  }
  // Makes `change` to the metadata of the object that was seen as `seen`; when it has changed
  // meanwhile, reads it again and tries once more. What it is now, or `seen` when nothing is left
  // to do. NOT_FOUND when that very object (uid) is gone.
  template <typename T>
  StatusOr<T> Change(const T& seen, const MetadataChange& change) {
    const JsonPatch patch = PatchFor(seen.metadata(), change);
    if (patch.empty()) return seen;
    StatusOr<T> changed = Patch<T>(KeyOf(seen), patch);
    if (!absl::IsAborted(changed.status())) return changed;
    BERTH_ASSIGN_OR_RETURN(const T now, Get<T>(KeyOf(seen)));
    if (now.metadata().uid() != seen.metadata().uid()) {
      return absl::NotFoundError(KeyOf(seen).String() + ": another object has its name now");
    }
    const JsonPatch again = PatchFor(now.metadata(), change);
    if (again.empty()) return now;
    return Patch<T>(KeyOf(now), again);
  }
  // OK once the server accepted the deletion: finalizers may keep the object for longer. ABORTED
  // when the object is not the one that `options` names.
  template <typename T>
  Status Delete(const ObjectKey& key, const DeleteOptions& options = {},
                absl::Duration timeout = kCallTimeout) {
    ApiRequest request = RequestFor<T>(Verb::kDelete, key);
    request.body = EncodeDeleteOptions(request.resource.encoding, options);
    request.timeout = timeout;
    return Call(request).status();
  }

  StatusOr<JsonObject> GetJson(const Resource& resource, const ObjectKey& key);
  // `object` names its own namespace; kind and apiVersion are added.
  StatusOr<JsonObject> CreateJson(const Resource& resource, nlohmann::json object);
  StatusOr<JsonObject> PatchJson(const Resource& resource, const ObjectKey& key, PatchType type,
                                 const nlohmann::json& patch, std::string_view subresource = "");
  Status DeleteJson(const Resource& resource, const ObjectKey& key,
                    const DeleteOptions& options = {});

  // Hands events to `event` on this thread until the server ends the stream (OK: go on from the
  // last resource version), `event` returns an error, or `cancel` (CANCELLED). IsGone(): list anew.
  // UNAVAILABLE when the stream breaks, or outlives the request's timeout in silence.
  virtual Status Watch(const WatchRequest& request, const std::function<Status(WatchEvent)>& event,
                       const Cancellation& cancel) = 0;

 protected:
  // Carries out one request; the reply's serialised object in the resource's encoding.
  virtual StatusOr<std::string> Call(const ApiRequest& request) = 0;

 private:
  template <typename T>
  static ApiRequest RequestFor(Verb verb, const ObjectKey& key) {
    return RequestFor(ResourceOf<T>::kResource, verb, key);
  }
  static ApiRequest RequestFor(const Resource& resource, Verb verb, const ObjectKey& key) {
    ApiRequest request;
    request.verb = verb;
    request.resource = resource;
    request.selector.ns = key.ns;
    request.name = key.name;
    return request;
  }
  template <typename T>
  StatusOr<T> Typed(const ApiRequest& request) {
    BERTH_ASSIGN_OR_RETURN(const std::string raw, Call(request));
    return ParseMessage<T>(raw);
  }
  static std::string EncodeDeleteOptions(Encoding encoding, const DeleteOptions& options);
};

// A client of the API server that `config` names. `max_reply_bytes` bounds one reply, and one
// object of a watch. Nothing is sent yet.
StatusOr<std::unique_ptr<ApiClient>> Connect(Config config, size_t max_reply_bytes = 64 << 20);

}  // namespace berth::kube
