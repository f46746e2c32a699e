#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/synchronized.h"

namespace berth::kube {

// A bearer token that lives in a file and is replaced there from time to time (the kubelet rotates
// a service account's token before it expires). Thread-safe.
class TokenFile {
 public:
  TokenFile(std::string path, std::shared_ptr<const Clock> clock)
      : path_(std::move(path)), clock_(std::move(clock)) {}
  // The token without surrounding white space, read again when the last reading is older than a
  // minute or after Expire(). The last good token when the file cannot be read now;
  // FAILED_PRECONDITION when it never could.
  StatusOr<std::string> Token();
  // Called when the server refused the token.
  void Expire();

 private:
  struct Cached {
    std::string token;
    absl::Time read_at = absl::InfinitePast();
  };
  const std::string path_;
  const std::shared_ptr<const Clock> clock_;
  Synchronized<Cached> cached_;
};

inline constexpr char kFieldManager[] = "berth";

// How to reach one API server and as whom. Certificates and keys are PEM text.
struct Config {
  std::string server;  // "https://host:port", no slash at the end
  std::string ca_pem;  // empty: the system's certificate authorities
  std::string client_certificate_pem;
  std::string client_key_pem;
  std::string token;                      // a fixed bearer token
  std::shared_ptr<TokenFile> token_file;  // instead of `token`
  // The kubeconfig says insecure-skip-tls-verify: the server's certificate is not checked.
  bool insecure_skip_tls_verify = false;
  std::string default_namespace = "default";
  // How this program is named in the managedFields of what it writes.
  std::string field_manager = kFieldManager;
};

// Reads the kubeconfig file at `path` and takes `context`, or its current-context when empty.
// Relative paths in it count from its folder, as kubectl does. Users with exec or auth-provider
// plug-ins or passwords, proxies and
// tls-server-name are refused by name. INVALID_ARGUMENT names the file and the
// field that is wrong or missing, NOT_FOUND a file that does not exist.
StatusOr<Config> LoadKubeconfig(const std::string& path, std::string_view context,
                                std::shared_ptr<const Clock> clock);

// The service account that the kubelet gives to a pod: `environment` is getenv,
// `directory` is /var/run/secrets/kubernetes.io/serviceaccount but in tests. NOT_FOUND outside a
// pod: then there is no Kubernetes to talk to.
using Environment = const char* (*)(const char* name);
StatusOr<Config> InClusterConfig(Environment environment, const std::string& directory,
                                 std::shared_ptr<const Clock> clock);
// The same with the process's own environment and the directory that the kubelet uses.
StatusOr<Config> InClusterConfig();

}  // namespace berth::kube
