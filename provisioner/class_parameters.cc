#include "provisioner/class_parameters.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "kube/json_patch.h"

namespace berth::provisioner {
namespace {

constexpr std::string_view kPrefix = "csi.storage.k8s.io/";
constexpr std::string_view kFsType = "fstype";
constexpr std::string_view kNameSuffix = "secret-name";
constexpr std::string_view kNamespaceSuffix = "secret-namespace";

struct UseName {
  SecretUse use;
  std::string_view prefix;
};
constexpr std::array<UseName, 7> kUses = {{
    {SecretUse::kProvisioner, "provisioner-"},
    {SecretUse::kControllerPublish, "controller-publish-"},
    {SecretUse::kNodeStage, "node-stage-"},
    {SecretUse::kNodePublish, "node-publish-"},
    {SecretUse::kControllerExpand, "controller-expand-"},
    {SecretUse::kNodeExpand, "node-expand-"},
    {SecretUse::kControllerModify, "controller-modify-"},
}};

// Takes the pair `<prefix>secret-name`, `<prefix>secret-namespace` out of `own`.
StatusOr<std::optional<SecretName>> TakeSecret(std::map<std::string, std::string>& own,
                                               std::string_view prefix) {
  const auto name = own.extract(fmt::format("{}{}", prefix, kNameSuffix));
  const auto ns = own.extract(fmt::format("{}{}", prefix, kNamespaceSuffix));
  if (name.empty() != ns.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("parameters {0}{1}{2} and {0}{1}{3} are needed together", kPrefix, prefix,
                    kNameSuffix, kNamespaceSuffix));
  }
  if (name.empty()) return std::nullopt;
  return SecretName{ns.mapped(), name.mapped()};
}

// Which tokens a template may have.
struct Tokens {
  std::string_view volume_name;
  const kube::core::PersistentVolumeClaim& claim;
  bool from_claim;  // those whose value the claim's author chooses

  std::optional<std::string> Value(std::string_view token) const {
    if (token == "pv.name") return std::string(volume_name);
    if (token == "pvc.namespace") return claim.metadata().namespace_();
    if (!from_claim) return std::nullopt;
    if (token == "pvc.name") return claim.metadata().name();
    constexpr std::string_view kBegin = "pvc.annotations['";
    constexpr std::string_view kEnd = "']";
    if (!token.starts_with(kBegin) || !token.ends_with(kEnd)) return std::nullopt;
    token.remove_prefix(kBegin.size());
    token.remove_suffix(std::min(token.size(), kEnd.size()));
    const auto found = claim.metadata().annotations().find(std::string(token));
    if (found == claim.metadata().annotations().end()) return std::nullopt;
    return found->second;
  }
};

StatusOr<std::string> Expand(std::string_view text, const Tokens& tokens) {
  std::string expanded;
  std::string_view rest = text;
  while (true) {
    const size_t begin = rest.find("${");
    expanded.append(rest.substr(0, begin));
    if (begin == std::string_view::npos) return expanded;
    const size_t end = rest.find('}', begin);
    if (end == std::string_view::npos) break;
    const std::optional<std::string> value = tokens.Value(rest.substr(begin + 2, end - begin - 2));
    if (!value) break;
    expanded += *value;
    rest.remove_prefix(end + 1);
  }
  return absl::InvalidArgumentError(
      fmt::format("secret template \"{}\" has a token that cannot be resolved", text));
}

// RFC 1123: what the API server accepts as an object's name. Anything else would let a claim's
// annotation reach into the request's path.
bool IsName(std::string_view name) {
  const auto allowed = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

StatusOr<ClassParameters> ParseClassParameters(const std::map<std::string, std::string>& all) {
  ClassParameters parameters;
  std::map<std::string, std::string> own;
  for (const auto& [key, value] : all) {
    if (key.starts_with(kPrefix)) {
      own.emplace(key.substr(kPrefix.size()), value);
    } else {
      parameters.for_driver.emplace(key, value);
    }
  }
  if (const auto fs_type = own.extract(std::string(kFsType)); !fs_type.empty()) {
    parameters.fs_type = fs_type.mapped();
  }
  BERTH_ASSIGN_OR_RETURN(const std::optional<SecretName> fallback, TakeSecret(own, ""));
  for (const UseName& use : kUses) {
    BERTH_ASSIGN_OR_RETURN(std::optional<SecretName> secret, TakeSecret(own, use.prefix));
    if (!secret) secret = fallback;
    if (secret) parameters.secret_templates.emplace(use.use, *secret);
  }
  if (!own.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("unknown parameter {}{} in the StorageClass", kPrefix, own.begin()->first));
  }
  return parameters;
}

StatusOr<std::optional<SecretName>> ResolveSecret(const ClassParameters& parameters, SecretUse use,
                                                  std::string_view volume_name,
                                                  const kube::core::PersistentVolumeClaim& claim) {
  const auto found = parameters.secret_templates.find(use);
  if (found == parameters.secret_templates.end()) return std::nullopt;
  SecretName secret;
  BERTH_ASSIGN_OR_RETURN(secret.ns, Expand(found->second.ns, {volume_name, claim, false}));
  BERTH_ASSIGN_OR_RETURN(secret.name, Expand(found->second.name, {volume_name, claim, true}));
  for (const std::string& name : {secret.ns, secret.name}) {
    if (!IsName(name)) {
      return absl::InvalidArgumentError(
          fmt::format("secret template \"{}/{}\" gives \"{}\", which is not a valid name",
                      found->second.ns, found->second.name, name));
    }
  }
  return secret;
}

}  // namespace berth::provisioner
