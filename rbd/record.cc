#include "rbd/record.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

namespace berth {
namespace {

using nlohmann::json;

// The version that this program writes. It reads every version up to kNewestReadable: a newer
// program one version on only adds members, which are kept here unread. While several nodes share
// a volume its record has kSharedVersion, so that a program which knows one holder only refuses it;
// before and after, that program reads it.
constexpr int kVersion = 1;
constexpr int kSharedVersion = 3;
constexpr int kNewestReadable = kSharedVersion;

template <typename Enum, size_t n>
using Names = std::array<std::pair<Enum, std::string_view>, n>;

constexpr Names<VolumeState, 4> kVolumeStates = {{{VolumeState::kCreating, "creating"},
                                                  {VolumeState::kReady, "ready"},
                                                  {VolumeState::kForeign, "foreign"},
                                                  {VolumeState::kDeleting, "deleting"}}};
constexpr Names<ClaimState, 6> kClaimStates = {{{ClaimState::kFree, "free"},
                                                {ClaimState::kPublished, "published"},
                                                {ClaimState::kOpening, "opening"},
                                                {ClaimState::kOpen, "open"},
                                                {ClaimState::kClosed, "closed"},
                                                {ClaimState::kRevoking, "revoking"}}};
constexpr Names<AccessMode, 4> kAccessModes = {{{AccessMode::kReadWriteOnce, "RWO"},
                                                {AccessMode::kReadWriteOncePod, "RWOP"},
                                                {AccessMode::kReadOnlyMany, "ROX"},
                                                {AccessMode::kReadWriteMany, "RWX"}}};
constexpr Names<FormatState, 3> kFormatStates = {{{FormatState::kNone, "none"},
                                                  {FormatState::kFormatting, "formatting"},
                                                  {FormatState::kFormatted, "formatted"}}};

template <typename Enum, size_t n>
std::string_view NameOf(const Names<Enum, n>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "";
}

// Throws json::exception like the library's own accessors; Parse… turn it into a Status.
template <typename Enum, size_t n>
Enum ValueOf(const Names<Enum, n>& names, const json& member) {
  const auto text = member.get<std::string>();
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  throw json::other_error::create(501, "unknown state \"" + text + "\"", &member);
}

json ToJsonValue(const WriterClaim& claim) {
  return {{"epoch", claim.epoch},         {"node", claim.node},
          {"boot_id", claim.boot_id},     {"state", NameOf(kClaimStates, claim.state)},
          {"instances", claim.instances}, {"dead", claim.dead},
          {"one_pod", claim.one_pod}};
}

WriterClaim ReadClaim(const json& value) {
  WriterClaim claim;
  claim.epoch = value.at("epoch").get<uint64_t>();
  claim.node = value.at("node").get<std::string>();
  claim.boot_id = value.at("boot_id").get<std::string>();
  claim.state = ValueOf(kClaimStates, value.at("state"));
  claim.instances = value.at("instances").get<std::vector<std::string>>();
  claim.dead = value.value("dead", std::vector<std::string>());  // since version 0.2
  claim.one_pod = value.value("one_pod", false);                 // since version 0.3
  return claim;
}

json ToJsonValue(const SharedClaims& shared) {
  json claims = json::array();
  for (const WriterClaim& claim : shared.claims) claims.push_back(ToJsonValue(claim));
  return {{"mode", NameOf(kAccessModes, shared.mode)}, {"claims", std::move(claims)}};
}

SharedClaims ReadShared(const json& value) {
  SharedClaims shared;
  shared.mode = ValueOf(kAccessModes, value.at("mode"));
  for (const json& claim : value.at("claims")) shared.claims.push_back(ReadClaim(claim));
  return shared;
}

json ToJsonValue(const FileSystemRecord& file_system) {
  return {{"state", NameOf(kFormatStates, file_system.state)},
          {"type", file_system.type},
          {"uuid", file_system.uuid},
          {"epoch", file_system.epoch}};
}

FileSystemRecord ReadFileSystem(const json& value) {
  FileSystemRecord file_system;
  file_system.state = ValueOf(kFormatStates, value.at("state"));
  file_system.type = value.at("type").get<std::string>();
  file_system.uuid = value.at("uuid").get<std::string>();
  file_system.epoch = value.at("epoch").get<uint64_t>();
  return file_system;
}

// Members inside `writer` and `file_system` that a newer version added are kept as well.
void Overlay(json& base, const char* member, json value) {
  if (base.contains(member) && base[member].is_object()) {
    base[member].update(value);
  } else {
    base[member] = std::move(value);
  }
}

int VersionOf(const VolumeRecord& record) {
  if (record.shared) return kSharedVersion;
  const int read = record.unknown.value("version", kVersion);
  return read == kSharedVersion ? kVersion : std::max(kVersion, read);
}

json ToJsonValue(const VolumeRecord& record) {
  json value = record.unknown;
  value["version"] = VersionOf(record);
  value["request_name"] = record.request_name;
  value["request"] = record.request;
  value["state"] = NameOf(kVolumeStates, record.state);
  value["image_id"] = record.image_id;
  value["size_bytes"] = record.size_bytes;
  value["owner"] = record.owner;
  value["trash_retention_s"] = record.trash_retention_s;
  value["attempted_s"] = record.attempted_s;
  Overlay(value, "file_system", ToJsonValue(record.file_system));
  Overlay(value, "writer", ToJsonValue(record.writer));
  if (record.shared) {
    value["shared"] = ToJsonValue(*record.shared);
  } else {
    value.erase("shared");
  }
  return value;
}

void CheckVersion(const json& value) {
  const int version = value.at("version").get<int>();
  if (version < 1 || version > kNewestReadable) {
    throw json::other_error::create(
        501, fmt::format("version {} is newer than this program understands", version), &value);
  }
}

VolumeRecord ReadVolume(std::string_view image, json value) {
  CheckVersion(value);
  VolumeRecord record;
  record.image = image;
  record.request_name = value.at("request_name").get<std::string>();
  record.request = value.at("request").get<std::string>();
  record.state = ValueOf(kVolumeStates, value.at("state"));
  record.image_id = value.at("image_id").get<std::string>();
  record.size_bytes = value.at("size_bytes").get<uint64_t>();
  record.owner = value.at("owner").get<std::map<std::string, std::string>>();
  record.trash_retention_s = value.at("trash_retention_s").get<int64_t>();
  record.attempted_s = value.value("attempted_s", int64_t{0});  // since version 0.2
  record.file_system = ReadFileSystem(value.at("file_system"));
  record.writer = ReadClaim(value.at("writer"));
  if (value.contains("shared")) record.shared = ReadShared(value.at("shared"));
  record.unknown = std::move(value);
  return record;
}

}  // namespace

std::string VolumeRecord::ToJson() const { return ToJsonValue(*this).dump(); }

StatusOr<VolumeRecord> ParseVolumeRecord(std::string_view image, std::string_view text) {
  try {
    return ReadVolume(image, json::parse(text));
  } catch (const json::exception& error) {
    return absl::DataLossError(fmt::format(
        "the registry's record of image \"{}\" cannot be read: {}", image, error.what()));
  }
}

std::string TrashRecord::ToJson() const {
  return json{{"version", kVersion},
              {"image", image},
              {"purge_after_s", purge_after_s},
              {"volume", ToJsonValue(volume)}}
      .dump();
}

StatusOr<TrashRecord> ParseTrashRecord(std::string_view image_id, std::string_view text) {
  try {
    const json value = json::parse(text);
    CheckVersion(value);
    TrashRecord record;
    record.image_id = image_id;
    record.image = value.at("image").get<std::string>();
    record.purge_after_s = value.at("purge_after_s").get<int64_t>();
    record.volume = ReadVolume(record.image, value.at("volume"));
    return record;
  } catch (const json::exception& error) {
    return absl::DataLossError(
        fmt::format("the registry's trash record of image id \"{}\" cannot be read: {}", image_id,
                    error.what()));
  }
}

std::string_view ClaimStateName(ClaimState state) { return NameOf(kClaimStates, state); }

bool IsShared(AccessMode mode) {
  switch (mode) {
    case AccessMode::kReadOnlyMany:
    case AccessMode::kReadWriteMany:
      return true;
    case AccessMode::kReadWriteOnce:
    case AccessMode::kReadWriteOncePod:
      return false;
  }
  return false;
}

std::string_view AccessModeName(AccessMode mode) { return NameOf(kAccessModes, mode); }

}  // namespace berth
