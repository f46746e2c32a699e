#include "kube/http.h"

#include <curl/curl.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

namespace berth::kube {
namespace {

constexpr size_t kMaxIdleConnections = 16;
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
// How often a wait looks at its limits; bytes and cancellation end it at once.
constexpr int kMaxWaitMs = 1000;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void AddHeader(HeaderList& list, const std::string& header) {
  list.reset(curl_slist_append(list.release(), header.c_str()));
}

curl_blob BlobOf(const std::string& text) {
  // libcurl takes a void* and, told not to copy, only reads from it.
  return curl_blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

Status CurlError(CURLcode code, const std::string& detail, const Config& config) {
  const std::string message =
      fmt::format("{}: {}", config.server, detail.empty() ? curl_easy_strerror(code) : detail);
  // The certificate errors are told apart because no retry cures them; libcurl has a hundred more
  // codes, and each of them is a connection that did not work.
  if (code == CURLE_OPERATION_TIMEDOUT) return absl::DeadlineExceededError(message);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
      code == CURLE_SSL_CACERT_BADFILE) {
    return absl::UnauthenticatedError(message);
  }
  return absl::UnavailableError(message);
}

StatusOr<HeaderList> HeadersFor(const HttpRequest& request, const Config& config) {
  HeaderList headers;
  AddHeader(headers, "Accept: " + request.accept);
  AddHeader(headers, "Expect:");
  if (!request.body.empty()) AddHeader(headers, "Content-Type: " + request.content_type);
  std::string token = config.token;
  if (config.token_file != nullptr) {
    BERTH_ASSIGN_OR_RETURN(token, config.token_file->Token());
  }
  if (!token.empty()) AddHeader(headers, "Authorization: Bearer " + token);
  return headers;
}

void ConfigureConnection(CURL* easy, const Config& config) {
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, int64_t{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, int64_t{1});
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, int64_t{1});
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, int64_t{15});
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, int64_t{5});
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, absl::ToInt64Milliseconds(kConnectTimeout));
  const curl_blob ca = BlobOf(config.ca_pem);
  const curl_blob certificate = BlobOf(config.client_certificate_pem);
  const curl_blob key = BlobOf(config.client_key_pem);
  if (!config.ca_pem.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
  if (!config.client_certificate_pem.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
  }
  if (config.insecure_skip_tls_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, int64_t{0});
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, int64_t{0});
  }
}

void ConfigureRequest(CURL* easy, const HttpRequest& request) {
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "berth");
  if (!request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  // After the body, which by itself would make any request a POST.
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

CURLcode ResultOf(CURLM* multi) {
  CURLcode result = CURLE_OK;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  return result;
}

// The reply without its body.
HttpReply HeadOf(CURL* easy) {
  int64_t code = 0;
  curl_off_t retry_after_seconds = 0;
  const char* content_type = nullptr;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after_seconds);
  curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &content_type);
  HttpReply reply;
  reply.code = static_cast<int>(code);
  if (content_type != nullptr) reply.content_type = content_type;
  if (retry_after_seconds > 0) reply.retry_after = absl::Seconds(retry_after_seconds);
  return reply;
}

}  // namespace

// A keep-alive connection and the multi handle that makes its waits interruptible.
class HttpTransport::Connection {
 public:
  Connection() : multi_(curl_multi_init()), easy_(curl_easy_init()) {}
  bool valid() const { return easy_ != nullptr && multi_ != nullptr; }
  CURL* easy() const { return easy_.get(); }
  CURLM* multi() const { return multi_.get(); }

 private:
  // The multi handle holds the connection cache, so it goes last.
  std::unique_ptr<CURLM, MultiDeleter> multi_;
  std::unique_ptr<CURL, EasyDeleter> easy_;
};

// One request on its way.
struct HttpTransport::Exchange {
  absl::Time deadline = absl::InfiniteFuture();
  absl::Duration idle_timeout = absl::InfiniteDuration();
  const Cancellation* cancel = nullptr;
  const std::function<Status(std::string_view)>* sink = nullptr;
  size_t max_reply_bytes = 0;

  CURL* easy = nullptr;
  Status error;  // what our own callback stopped the transfer for
  std::string body;
  absl::Time last_byte_at = absl::Now();

  static size_t OnData(char* data, size_t size, size_t count, void* self) {
    return static_cast<Exchange*>(self)->Take(std::string_view(data, size * count));
  }
  size_t Take(std::string_view bytes) {
    last_byte_at = absl::Now();
    int64_t code = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    if (sink != nullptr && code == 200) {
      error = (*sink)(bytes);
    } else if (body.size() + bytes.size() > max_reply_bytes) {
      error = absl::ResourceExhaustedError(
          fmt::format("the reply is above the limit of {} bytes", max_reply_bytes));
    } else {
      body.append(bytes);
    }
    return error.ok() ? bytes.size() : 0;
  }
  // Why the transfer must end now; OK while it may go on.
  Status Limit() const {
    if (cancel != nullptr && cancel->cancelled()) return absl::CancelledError("watch: stopped");
    const absl::Time now = absl::Now();
    if (now >= deadline) return absl::DeadlineExceededError("no reply before the deadline");
    if (now - last_byte_at >= idle_timeout) {
      return absl::UnavailableError(
          fmt::format("watch: nothing came for {}", absl::FormatDuration(idle_timeout)));
    }
    return absl::OkStatus();
  }
  Status Perform(CURLM* multi);
};

Status HttpTransport::Exchange::Perform(CURLM* multi) {
  int running = 1;
  while (true) {
    if (const CURLMcode code = curl_multi_perform(multi, &running); code != CURLM_OK) {
      return absl::InternalError(fmt::format("libcurl: {}", curl_multi_strerror(code)));
    }
    if (running == 0) return absl::OkStatus();
    BERTH_RETURN_IF_ERROR(Limit());
    curl_waitfd extra{cancel == nullptr ? -1 : cancel->fd(), CURL_WAIT_POLLIN, 0};
    const auto left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int wait_ms = static_cast<int>(std::clamp<int64_t>(left_ms, 1, kMaxWaitMs));
    curl_multi_poll(multi, cancel == nullptr ? nullptr : &extra, cancel == nullptr ? 0 : 1, wait_ms,
                    nullptr);
  }
}

HttpTransport::HttpTransport(Config config, size_t max_reply_bytes)
    : config_(std::move(config)), max_reply_bytes_(max_reply_bytes) {}

HttpTransport::~HttpTransport() = default;

StatusOr<std::unique_ptr<HttpTransport>> HttpTransport::Create(Config config,
                                                               size_t max_reply_bytes) {
  // Thread-safe and counted since libcurl 7.84; never undone, as other users may come later.
  if (const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return absl::FailedPreconditionError(fmt::format("libcurl: {}", curl_easy_strerror(code)));
  }
  return std::unique_ptr<HttpTransport>(new HttpTransport(std::move(config), max_reply_bytes));
}

StatusOr<std::unique_ptr<HttpTransport::Connection>> HttpTransport::TakeConnection() {
  {
    auto idle = idle_.Lock();
    if (!idle->empty()) {
      std::unique_ptr<Connection> connection = std::move(idle->back());
      idle->pop_back();
      return connection;
    }
  }
  auto connection = std::make_unique<Connection>();
  if (!connection->valid()) return absl::ResourceExhaustedError("libcurl: out of memory");
  return connection;
}

StatusOr<HttpReply> HttpTransport::Do(const HttpRequest& request, absl::Duration timeout) {
  Exchange exchange;
  exchange.deadline = absl::Now() + timeout;
  return Run(exchange, request);
}

StatusOr<HttpReply> HttpTransport::Stream(const HttpRequest& request, absl::Duration idle_timeout,
                                          const std::function<Status(std::string_view)>& sink,
                                          const Cancellation& cancel) {
  Exchange exchange;
  exchange.idle_timeout = idle_timeout;
  exchange.sink = &sink;
  exchange.cancel = &cancel;
  return Run(exchange, request);
}

StatusOr<HttpReply> HttpTransport::Run(Exchange& exchange, const HttpRequest& request) {
  BERTH_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, TakeConnection());
  CURL* easy = connection->easy();
  exchange.easy = easy;
  exchange.max_reply_bytes = max_reply_bytes_;
  BERTH_ASSIGN_OR_RETURN(const HeaderList headers, HeadersFor(request, config_));
  const std::string url = config_.server + request.target;
  std::array<char, CURL_ERROR_SIZE> detail = {};
  curl_easy_reset(easy);
  ConfigureConnection(easy, config_);
  ConfigureRequest(easy, request);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::OnData);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);

  curl_multi_add_handle(connection->multi(), easy);
  const Status performed = exchange.Perform(connection->multi());
  const CURLcode result = ResultOf(connection->multi());
  HttpReply reply = HeadOf(easy);
  curl_multi_remove_handle(connection->multi(), easy);

  // A request cut short leaves its connection in an unknown state, so the handle is not kept.
  BERTH_RETURN_IF_ERROR(exchange.error);
  if (!performed.ok()) return Annotate(performed, config_.server);
  if (result != CURLE_OK) return CurlError(result, detail.data(), config_);
  reply.body = std::move(exchange.body);
  auto idle = idle_.Lock();
  if (idle->size() < kMaxIdleConnections) idle->push_back(std::move(connection));
  return reply;
}

}  // namespace berth::kube
