#include "rbd/cluster_directory.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace berth {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxAliasBytes = 20;

StatusOr<std::string> ReadFile(const fs::path& path, std::string_view alias) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && content.empty()) {
    return absl::FailedPreconditionError(fmt::format(
        "cluster \"{}\": {} cannot be read or is empty; each cluster's folder needs ceph.conf and "
        "keyring",
        alias, path.string()));
  }
  return content;
}

// The first [client.<id>] section that has a key. Ceph's keyring format is the subset of INI that
// `ceph auth get` prints.
StatusOr<CephUser> ParseKeyring(const std::string& text, std::string_view alias) {
  CephUser user;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "[")) {
      user.id.clear();
      if (absl::ConsumePrefix(&line, "client.") && absl::ConsumeSuffix(&line, "]")) {
        user.id = std::string(line);
      }
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> setting =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (!user.id.empty() && absl::StripAsciiWhitespace(setting.first) == "key") {
      user.key = std::string(absl::StripAsciiWhitespace(setting.second));
      if (!user.key.empty()) return user;
    }
  }
  return absl::FailedPreconditionError(
      fmt::format("cluster \"{}\": keyring holds no [client.<name>] section with a key", alias));
}

}  // namespace

Status CheckAlias(std::string_view alias) {
  const auto is_inner = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  };
  if (alias.empty() || alias.size() > kMaxAliasBytes || alias.front() == '-' ||
      alias.back() == '-' || !std::all_of(alias.begin(), alias.end(), is_inner)) {
    return absl::InvalidArgumentError(fmt::format(
        "cluster \"{}\" is no alias: 1 to {} of a-z, 0-9 and '-' inside", alias, kMaxAliasBytes));
  }
  return absl::OkStatus();
}

StatusOr<std::vector<std::string>> ClusterDirectory::Aliases() const {
  std::error_code error;
  std::vector<std::string> aliases;
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // A mounted Secret holds its files in folders such as "..data": no alias begins with a dot.
    if (CheckAlias(name).ok() && fs::is_directory(entry->path(), error)) aliases.push_back(name);
  }
  if (error) {
    return absl::NotFoundError(
        fmt::format("the clusters directory {} cannot be read: {}", path_, error.message()));
  }
  std::sort(aliases.begin(), aliases.end());
  return aliases;
}

StatusOr<ClusterConfig> ClusterDirectory::Find(std::string_view alias) const {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, Aliases());
  if (std::find(aliases.begin(), aliases.end(), alias) == aliases.end()) {
    return absl::NotFoundError(fmt::format("cluster \"{}\" is not described in {}; there is: {}",
                                           alias, path_, absl::StrJoin(aliases, ", ")));
  }
  const fs::path folder = fs::path(path_) / alias;
  ClusterConfig config;
  config.alias = alias;
  config.conf_path = (folder / "ceph.conf").string();
  BERTH_ASSIGN_OR_RETURN(const std::string conf, ReadFile(config.conf_path, alias));
  BERTH_ASSIGN_OR_RETURN(const std::string keyring, ReadFile(folder / "keyring", alias));
  BERTH_ASSIGN_OR_RETURN(config.user, ParseKeyring(keyring, alias));
  const std::hash<std::string> hash;
  config.revision = fmt::format("{:x}-{:x}", hash(conf), hash(keyring));
  return config;
}

StatusOr<std::string> ClusterDirectory::DefaultAlias() const {
  BERTH_ASSIGN_OR_RETURN(const std::vector<std::string> aliases, Aliases());
  if (aliases.empty()) {
    return absl::NotFoundError(fmt::format("no cluster is described in {}", path_));
  }
  if (aliases.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("parameter \"cluster\" is missing and there are several clusters: {}",
                    absl::StrJoin(aliases, ", ")));
  }
  return aliases.front();
}

}  // namespace berth
