#include "kube/client.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "kube/api_error.h"
#include "kube/http.h"
#include "kube/json_fields.h"
#include "kube/url.h"

namespace berth::kube {
namespace {

// The server ends a watch after the time it was asked to; one that is still open this much later
// hangs. Silence before that is no sign: with an old etcd not even bookmarks come while nothing
// changes. A peer that is gone is found within a minute by TCP keep-alive.
constexpr absl::Duration kWatchGrace = absl::Seconds(30);

std::string_view VerbName(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "get";
    case Verb::kList:
      return "list";
    case Verb::kCreate:
      return "create";
    case Verb::kUpdate:
      return "update";
    case Verb::kPatch:
      return "patch";
    case Verb::kDelete:
      return "delete";
  }
  return "";
}

std::string_view MethodOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
    case Verb::kList:
      return "GET";
    case Verb::kCreate:
      return "POST";
    case Verb::kUpdate:
      return "PUT";
    case Verb::kPatch:
      return "PATCH";
    case Verb::kDelete:
      return "DELETE";
  }
  return "";
}

std::string_view AcceptOf(Encoding encoding) {
  switch (encoding) {
    case Encoding::kProtobuf:
      return kProtobufType;
    case Encoding::kJson:
      return kJsonType;
  }
  return "";
}

std::string_view ContentTypeOf(const ApiRequest& request) {
  if (request.verb != Verb::kPatch) return AcceptOf(request.resource.encoding);
  switch (request.patch_type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
  }
  return "";
}

// Some errors are written by what stands before the API's own code (authentication, a proxy) and
// are plain text.
Status ErrorOf(const HttpReply& reply, std::string_view what) {
  if (const StatusOr<JsonObject> json = ParseMessage<JsonObject>(reply.body);
      json.ok() && TextIn(json->body(), "kind") == "Status") {
    return ErrorFromStatus(StatusFromJson(json->body()), what, reply.retry_after);
  }
  const StatusOr<WireObject> object = DecodeObject(reply.body);
  if (!object.ok() || object->kind != "Status") {
    return ErrorFromHttp(reply.code, reply.body, what, reply.retry_after);
  }
  const StatusOr<meta::Status> status = ParseMessage<meta::Status>(object->raw);
  if (!status.ok()) return ErrorFromHttp(reply.code, "", what, reply.retry_after);
  return ErrorFromStatus(*status, what, reply.retry_after);
}

// A watch event that is not an error: that one is returned as the status it says.
using EventSink = std::function<Status(WatchEvent)>;

StatusOr<WatchEvent::Type> EventType(std::string_view name) {
  if (name == "ADDED") return WatchEvent::Type::kAdded;
  if (name == "MODIFIED") return WatchEvent::Type::kModified;
  if (name == "DELETED") return WatchEvent::Type::kDeleted;
  if (name == "BOOKMARK") return WatchEvent::Type::kBookmark;
  if (name == "ERROR") return WatchEvent::Type::kError;
  return absl::DataLossError(fmt::format("watch: unknown event type \"{}\"", name));
}

Status OnProtobufFrame(std::string_view frame, std::string_view what, const EventSink& event) {
  BERTH_ASSIGN_OR_RETURN(const meta::WatchEvent message, ParseMessage<meta::WatchEvent>(frame));
  BERTH_ASSIGN_OR_RETURN(const WatchEvent::Type type, EventType(message.type()));
  BERTH_ASSIGN_OR_RETURN(WireObject object, DecodeObject(message.object().raw()));
  if (type == WatchEvent::Type::kError) {
    BERTH_ASSIGN_OR_RETURN(const meta::Status status, ParseMessage<meta::Status>(object.raw));
    return ErrorFromStatus(status, what);
  }
  return event(WatchEvent{type, std::move(object.raw)});
}

Status OnJsonFrame(std::string_view frame, std::string_view what, const EventSink& event) {
  BERTH_ASSIGN_OR_RETURN(const JsonObject message, ParseMessage<JsonObject>(frame));
  const auto object = message.body().find("object");
  if (object == message.body().end()) return absl::DataLossError("watch: an event has no object");
  BERTH_ASSIGN_OR_RETURN(const WatchEvent::Type type, EventType(TextIn(message.body(), "type")));
  if (type == WatchEvent::Type::kError) return ErrorFromStatus(StatusFromJson(*object), what);
  return event(WatchEvent{type, object->dump()});
}

class HttpApiClient final : public ApiClient {
 public:
  HttpApiClient(std::unique_ptr<HttpTransport> transport, std::string field_manager,
                size_t max_object_bytes)
      : transport_(std::move(transport)),
        field_manager_(std::move(field_manager)),
        max_object_bytes_(max_object_bytes) {}

  Status Watch(const WatchRequest& request, const std::function<Status(WatchEvent)>& event,
               const Cancellation& cancel) override;

 protected:
  StatusOr<std::string> Call(const ApiRequest& request) override;

 private:
  void NoteRefusedToken(int http_code);

  const std::unique_ptr<HttpTransport> transport_;
  const std::string field_manager_;
  const size_t max_object_bytes_;
};

StatusOr<std::string> HttpApiClient::Call(const ApiRequest& request) {
  Query query;
  if (request.verb == Verb::kList) {
    query.Set("labelSelector", request.selector.label_selector)
        .Set("fieldSelector", request.selector.field_selector)
        .Set("limit", request.limit > 0 ? std::to_string(request.limit) : "")
        .Set("continue", request.continue_token);
  } else if (request.verb != Verb::kGet && request.verb != Verb::kDelete) {
    query.Set("fieldManager", field_manager_);
  }
  const HttpRequest http{
      std::string(MethodOf(request.verb)),
      request.resource.Path(request.selector.ns, request.name, request.subresource) +
          query.String(),
      std::string(AcceptOf(request.resource.encoding)), std::string(ContentTypeOf(request)),
      request.body};
  StatusOr<HttpReply> reply = transport_->Do(http, request.timeout);
  if (!reply.ok()) return Annotate(reply.status(), request.Describe());
  if (reply->code < 200 || reply->code > 299) {
    NoteRefusedToken(reply->code);
    return ErrorOf(*reply, request.Describe());
  }
  if (request.resource.encoding == Encoding::kJson) return std::move(reply->body);
  StatusOr<WireObject> object = DecodeObject(reply->body);
  if (!object.ok()) return Annotate(object.status(), request.Describe());
  return std::move(object->raw);
}

Status HttpApiClient::Watch(const WatchRequest& request,
                            const std::function<Status(WatchEvent)>& event,
                            const Cancellation& cancel) {
  const std::string what = fmt::format("watch {}", request.resource.plural);
  const bool json = request.resource.encoding == Encoding::kJson;
  Query query;
  query.Set("watch", "1")
      .Set("allowWatchBookmarks", "true")
      .Set("labelSelector", request.selector.label_selector)
      .Set("fieldSelector", request.selector.field_selector)
      .Set("resourceVersion", request.resource_version)
      .Set("timeoutSeconds", std::to_string(absl::ToInt64Seconds(request.timeout)));
  if (request.send_initial_events) {
    query.Set("sendInitialEvents", "true").Set("resourceVersionMatch", "NotOlderThan");
  }
  const HttpRequest http{"GET", request.resource.Path(request.selector.ns, "", "") + query.String(),
                         std::string(json ? kJsonType : kProtobufWatchType), "", ""};
  FrameReader frames(max_object_bytes_);
  LineReader lines(max_object_bytes_);
  const auto on_bytes = [&](std::string_view bytes) {
    if (json) {
      return lines.Feed(bytes,
                        [&](std::string_view line) { return OnJsonFrame(line, what, event); });
    }
    return frames.Feed(bytes,
                       [&](std::string_view frame) { return OnProtobufFrame(frame, what, event); });
  };
  const StatusOr<HttpReply> reply =
      transport_->Stream(http, request.timeout + kWatchGrace, on_bytes, cancel);
  if (!reply.ok()) return reply.status();
  if (reply->code == 200) return absl::OkStatus();
  NoteRefusedToken(reply->code);
  return ErrorOf(*reply, what);
}

void HttpApiClient::NoteRefusedToken(int http_code) {
  const std::shared_ptr<TokenFile>& token = transport_->config().token_file;
  if (http_code == 401 && token != nullptr) token->Expire();
}

}  // namespace

std::string ApiRequest::Describe() const {
  std::string object(resource.plural);
  if (!subresource.empty()) object += fmt::format(" ({})", subresource);
  if (!selector.ns.empty()) object += fmt::format(" {}/{}", selector.ns, name);
  if (selector.ns.empty() && !name.empty()) object += fmt::format(" {}", name);
  return fmt::format("{} {}", VerbName(verb), object);
}

StatusOr<std::string> ApiClient::ForEachRaw(const Resource& resource, const Selector& selector,
                                            const std::function<Status(std::string_view)>& each,
                                            int64_t page_size) {
  ApiRequest request;
  request.verb = Verb::kList;
  request.resource = resource;
  request.selector = selector;
  request.limit = page_size;
  while (true) {
    BERTH_ASSIGN_OR_RETURN(const std::string page, Call(request));
    meta::ListMeta list;
    BERTH_RETURN_IF_ERROR(resource.encoding == Encoding::kJson
                              ? ForEachJsonListItem(page, list, each)
                              : ForEachListItem(page, list, each));
    if (list.continue_().empty()) return list.resourceversion();
    request.continue_token = list.continue_();
  }
}

StatusOr<JsonObject> ApiClient::GetJson(const Resource& resource, const ObjectKey& key) {
  return Typed<JsonObject>(RequestFor(resource, Verb::kGet, key));
}

StatusOr<JsonObject> ApiClient::CreateJson(const Resource& resource, nlohmann::json object) {
  object["apiVersion"] = resource.ApiVersion();
  object["kind"] = resource.kind;
  const JsonObject typed(std::move(object));
  ApiRequest request = RequestFor(resource, Verb::kCreate, {typed.metadata().namespace_(), ""});
  request.body = typed.body().dump();
  return Typed<JsonObject>(request);
}

StatusOr<JsonObject> ApiClient::PatchJson(const Resource& resource, const ObjectKey& key,
                                          PatchType type, const nlohmann::json& patch,
                                          std::string_view subresource) {
  ApiRequest request = RequestFor(resource, Verb::kPatch, key);
  request.subresource = std::string(subresource);
  request.patch_type = type;
  request.body = patch.dump();
  return Typed<JsonObject>(request);
}

Status ApiClient::DeleteJson(const Resource& resource, const ObjectKey& key,
                             const DeleteOptions& options) {
  ApiRequest request = RequestFor(resource, Verb::kDelete, key);
  request.body = EncodeDeleteOptions(resource.encoding, options);
  return Call(request).status();
}

std::string ApiClient::EncodeDeleteOptions(Encoding encoding, const DeleteOptions& options) {
  if (encoding == Encoding::kJson) {
    nlohmann::json json = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
    if (!options.uid.empty()) json["preconditions"]["uid"] = options.uid;
    if (!options.resource_version.empty()) {
      json["preconditions"]["resourceVersion"] = options.resource_version;
    }
    if (options.grace_period_seconds) json["gracePeriodSeconds"] = *options.grace_period_seconds;
    return json.dump();
  }
  meta::DeleteOptions message;
  if (!options.uid.empty()) message.mutable_preconditions()->set_uid(options.uid);
  if (!options.resource_version.empty()) {
    message.mutable_preconditions()->set_resourceversion(options.resource_version);
  }
  if (options.grace_period_seconds) message.set_graceperiodseconds(*options.grace_period_seconds);
  return EncodeObject("v1", "DeleteOptions", message);
}

StatusOr<std::unique_ptr<ApiClient>> Connect(Config config, size_t max_reply_bytes) {
  std::string field_manager = config.field_manager;
  BERTH_ASSIGN_OR_RETURN(std::unique_ptr<HttpTransport> transport,
                         HttpTransport::Create(std::move(config), max_reply_bytes));
  return std::make_unique<HttpApiClient>(std::move(transport), std::move(field_manager),
                                         max_reply_bytes);
}

}  // namespace berth::kube
