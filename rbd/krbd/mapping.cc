#include "rbd/krbd/mapping.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace berth {
namespace {

constexpr char kLabelPrefix[] = "berth/";

Status CheckWord(const char* what, const std::string& word) {
  if (word.find_first_of(" \t,=") == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\": the kernel's rbd takes no blanks, commas or '=' there; use the "
                  "mounter fuse for this volume",
                  what, word));
}

std::optional<Mapping> ParseLabel(absl::string_view label) {
  if (!absl::ConsumePrefix(&label, kLabelPrefix)) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(label, '/');
  Mapping mapping;
  mapping.volume.cluster = std::string(parts.first);
  if (!absl::SimpleAtoi(parts.second, &mapping.epoch)) return std::nullopt;
  return mapping;
}

}  // namespace

std::string MappingLabel(const Mapping& mapping) {
  return fmt::format("{}{}/{}", kLabelPrefix, mapping.volume.cluster, mapping.epoch);
}

StatusOr<std::string> MappingLine(const Mapping& mapping, const MonitorAddresses& monitors,
                                  const std::string& user_id, int64_t connect_timeout_s) {
  const VolumeHandle& volume = mapping.volume;
  BERTH_RETURN_IF_ERROR(CheckWord("user", user_id));
  BERTH_RETURN_IF_ERROR(CheckWord("pool", volume.pool));
  BERTH_RETURN_IF_ERROR(CheckWord("namespace", volume.rados_namespace));
  BERTH_RETURN_IF_ERROR(CheckWord("image", volume.image));
  std::vector<std::string> options = {"name=" + user_id, "key=" + MappingLabel(mapping), "noshare",
                                      fmt::format("mount_timeout={}", connect_timeout_s)};
  if (monitors.messenger_v2) options.emplace_back("ms_mode=prefer-crc");
  if (!volume.rados_namespace.empty()) options.push_back("_pool_ns=" + volume.rados_namespace);
  if (mapping.read_only) options.emplace_back("ro");
  return fmt::format("{} {} {} {} -", absl::StrJoin(monitors.addresses, ","),
                     absl::StrJoin(options, ","), volume.pool, volume.image);
}

std::optional<Mapping> ParseMapping(const MappingAttributes& attributes) {
  const std::vector<std::string> words =
      absl::StrSplit(attributes.config_info, ' ', absl::SkipEmpty());
  if (words.size() < 2) return std::nullopt;
  const std::vector<std::string> options = absl::StrSplit(words[1], ',');
  std::optional<Mapping> mapping;
  for (absl::string_view option : options) {
    if (absl::ConsumePrefix(&option, "key=")) mapping = ParseLabel(option);
  }
  if (!mapping) return std::nullopt;
  mapping->volume.pool = attributes.pool;
  mapping->volume.rados_namespace = attributes.pool_ns;
  mapping->volume.image = attributes.name;
  mapping->read_only = std::find(options.begin(), options.end(), "ro") != options.end();
  return mapping;
}

}  // namespace berth
