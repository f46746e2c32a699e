#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "base/status.h"
#include "kube/cancellation.h"
#include "kube/config.h"

namespace berth::kube {

struct HttpRequest {
  std::string method;  // "GET", "POST", "PUT", "PATCH", "DELETE"
  std::string target;  // path and query
  std::string accept;
  std::string content_type;  // of `body`
  std::string body;
};

struct HttpReply {
  int code = 0;
  std::string content_type;
  std::optional<absl::Duration> retry_after;
  std::string body;
};

// HTTPS to one API server over libcurl. A call runs on its caller's thread; connections are kept
// and handed to the next call, so there are as many as calls at the same moment. HTTP/1.1: with a
// connection per thread there is nothing to multiplex, and a watch cannot hold up a call.
// Thread-safe.
class HttpTransport {
 public:
  // `max_reply_bytes` bounds a collected reply. FAILED_PRECONDITION when libcurl does not start.
  static StatusOr<std::unique_ptr<HttpTransport>> Create(Config config, size_t max_reply_bytes);
  ~HttpTransport();
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;

  // One request; any HTTP code is a reply. DEADLINE_EXCEEDED after `timeout`, UNAVAILABLE when the
  // server cannot be reached or the connection breaks, RESOURCE_EXHAUSTED when the reply is above
  // the limit, UNAUTHENTICATED when the TLS handshake or certificates are refused.
  StatusOr<HttpReply> Do(const HttpRequest& request, absl::Duration timeout);

  // A reply without end: with code 200 its bytes go to `sink` as they come, on this thread, and
  // `body` stays empty. Returns when the server ends the stream; CANCELLED soon after `cancel`;
  // the error of `sink`; UNAVAILABLE when the stream breaks or nothing came for `idle_timeout`.
  StatusOr<HttpReply> Stream(const HttpRequest& request, absl::Duration idle_timeout,
                             const std::function<Status(std::string_view)>& sink,
                             const Cancellation& cancel);

  const Config& config() const { return config_; }

 private:
  class Connection;
  struct Exchange;
  HttpTransport(Config config, size_t max_reply_bytes);
  StatusOr<HttpReply> Run(Exchange& exchange, const HttpRequest& request);
  StatusOr<std::unique_ptr<Connection>> TakeConnection();

  const Config config_;
  const size_t max_reply_bytes_;
  Synchronized<std::vector<std::unique_ptr<Connection>>> idle_;
};

}  // namespace berth::kube
