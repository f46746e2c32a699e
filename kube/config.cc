#include "kube/config.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace berth::kube {
namespace {

constexpr absl::Duration kTokenLifetime = absl::Minutes(1);

StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return ErrnoError(errno != 0 ? errno : ENOENT, "read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// One kubeconfig file: what its parts are resolved against, and how its errors begin.
struct File {
  std::string path;

  Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("kubeconfig {}: {}", path, what));
  }
  std::string Resolve(const std::string& name) const {
    return (std::filesystem::path(path).parent_path() / name).string();
  }
  // The entry called `name` of the list `list`, and in it the map `part`.
  StatusOr<YAML::Node> Entry(const YAML::Node& root, const char* list, const char* part,
                             const std::string& name) const {
    for (const YAML::Node& entry : root[list]) {
      if (entry["name"] && entry["name"].as<std::string>() == name) return entry[part];
    }
    return Error(fmt::format("{} has no entry called \"{}\"", list, name));
  }
  // The PEM text in `<field>-data` (base64) or in the file that `<field>` names; empty for neither.
  StatusOr<std::string> Pem(const YAML::Node& node, const std::string& field) const {
    if (const YAML::Node data = node[field + "-data"]) {
      std::string pem;
      if (!absl::Base64Unescape(data.as<std::string>(), &pem)) {
        return Error(field + "-data is not base64");
      }
      return pem;
    }
    if (const YAML::Node name = node[field]) return ReadFile(Resolve(name.as<std::string>()));
    return std::string();
  }
};

Status ReadCluster(const File& file, const YAML::Node& cluster, Config& config) {
  if (!cluster["server"]) return file.Error("the cluster has no server");
  config.server = std::string(absl::StripSuffix(cluster["server"].as<std::string>(), "/"));
  if (!absl::StartsWith(config.server, "https://")) {
    return file.Error(fmt::format("server {} is not an https:// address", config.server));
  }
  for (const char* unsupported : {"proxy-url", "tls-server-name"}) {
    if (cluster[unsupported]) return file.Error(fmt::format("{} is not supported", unsupported));
  }
  config.insecure_skip_tls_verify = cluster["insecure-skip-tls-verify"].as<bool>(false);
  BERTH_ASSIGN_OR_RETURN(config.ca_pem, file.Pem(cluster, "certificate-authority"));
  return absl::OkStatus();
}

Status ReadUser(const File& file, const YAML::Node& user, std::shared_ptr<const Clock> clock,
                Config& config) {
  for (const char* unsupported : {"exec", "auth-provider", "username", "password"}) {
    if (user[unsupported]) {
      return file.Error(fmt::format(
          "the user has \"{}\", which is not supported: use a client certificate or a token",
          unsupported));
    }
  }
  BERTH_ASSIGN_OR_RETURN(config.client_certificate_pem, file.Pem(user, "client-certificate"));
  BERTH_ASSIGN_OR_RETURN(config.client_key_pem, file.Pem(user, "client-key"));
  if (config.client_certificate_pem.empty() != config.client_key_pem.empty()) {
    return file.Error("client-certificate and client-key are needed together");
  }
  config.token = user["token"].as<std::string>("");
  if (const YAML::Node name = user["tokenFile"]; name && config.token.empty()) {
    config.token_file =
        std::make_shared<TokenFile>(file.Resolve(name.as<std::string>()), std::move(clock));
  }
  return absl::OkStatus();
}

StatusOr<Config> ReadContext(const File& file, const YAML::Node& root, std::string_view context,
                             std::shared_ptr<const Clock> clock) {
  const std::string name =
      context.empty() ? root["current-context"].as<std::string>("") : std::string(context);
  if (name.empty()) return file.Error("it has no current-context");
  BERTH_ASSIGN_OR_RETURN(const YAML::Node chosen, file.Entry(root, "contexts", "context", name));
  BERTH_ASSIGN_OR_RETURN(
      const YAML::Node cluster,
      file.Entry(root, "clusters", "cluster", chosen["cluster"].as<std::string>("")));
  Config config;
  config.default_namespace = chosen["namespace"].as<std::string>("default");
  BERTH_RETURN_IF_ERROR(ReadCluster(file, cluster, config));
  if (chosen["user"]) {
    BERTH_ASSIGN_OR_RETURN(const YAML::Node user,
                           file.Entry(root, "users", "user", chosen["user"].as<std::string>()));
    BERTH_RETURN_IF_ERROR(ReadUser(file, user, std::move(clock), config));
  }
  return config;
}

}  // namespace

StatusOr<std::string> TokenFile::Token() {
  auto cached = cached_.Lock();
  if (clock_->Now() - cached->read_at < kTokenLifetime) return cached->token;
  const StatusOr<std::string> text = ReadFile(path_);
  const std::string token(text.ok() ? absl::StripAsciiWhitespace(*text) : absl::string_view());
  if (!token.empty()) {
    cached->token = token;
    cached->read_at = clock_->Now();
  }
  if (cached->token.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("service account token {}: {}", path_,
                    text.ok() ? "the file is empty" : std::string(text.status().message())));
  }
  return cached->token;
}

void TokenFile::Expire() { cached_.Lock()->read_at = absl::InfinitePast(); }

StatusOr<Config> LoadKubeconfig(const std::string& path, std::string_view context,
                                std::shared_ptr<const Clock> clock) {
  const File file{path};
  BERTH_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  // yaml-cpp reports by exceptions; they end here.
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return file.Error("it is not a kubeconfig file");
    return ReadContext(file, root, context, std::move(clock));
  } catch (const YAML::Exception& error) {
    return file.Error(error.what());
  }
}

StatusOr<Config> InClusterConfig(Environment environment, const std::string& directory,
                                 std::shared_ptr<const Clock> clock) {
  const char* host = environment("KUBERNETES_SERVICE_HOST");
  const char* port = environment("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return absl::NotFoundError(
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  Config config;
  config.server = absl::StrContains(host, ":") ? fmt::format("https://[{}]:{}", host, port)
                                               : fmt::format("https://{}:{}", host, port);
  BERTH_ASSIGN_OR_RETURN(config.ca_pem, ReadFile(directory + "/ca.crt"));
  config.token_file = std::make_shared<TokenFile>(directory + "/token", std::move(clock));
  BERTH_RETURN_IF_ERROR(config.token_file->Token().status());
  if (const StatusOr<std::string> ns = ReadFile(directory + "/namespace"); ns.ok()) {
    config.default_namespace = std::string(absl::StripAsciiWhitespace(*ns));
  }
  return config;
}

StatusOr<Config> InClusterConfig() {
  return InClusterConfig([](const char* name) -> const char* { return std::getenv(name); },
                         "/var/run/secrets/kubernetes.io/serviceaccount",
                         std::make_shared<RealClock>());
}

}  // namespace berth::kube
