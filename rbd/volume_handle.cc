#include "rbd/volume_handle.h"

#include <openssl/evp.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "rbd/cluster_directory.h"

namespace berth {
namespace {

constexpr size_t kMaxPlainNameBytes = 63;
constexpr size_t kHashedNameDigits = 40;

bool IsAlphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

Status CheckPart(std::string_view what, std::string_view part, std::string_view handle) {
  const bool bad_character = std::any_of(part.begin(), part.end(), [](char c) {
    return c == '@' || static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  });
  if (part.empty() || part == "." || part == ".." || bad_character) {
    return absl::InvalidArgumentError(
        fmt::format("volume_id \"{}\": the {} \"{}\" is not usable", handle, what, part));
  }
  return absl::OkStatus();
}

std::string Sha256Hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace

std::string VolumeHandle::ToString() const { return cluster + "/" + ImageSpec(); }

std::string VolumeHandle::PoolToString() const {
  std::string text = cluster;
  for (const std::string* part : {&pool, &rados_namespace}) {
    if (!part->empty()) text += "/" + *part;
  }
  return text;
}

std::string VolumeHandle::ImageSpec() const {
  return rados_namespace.empty() ? pool + "/" + image : pool + "/" + rados_namespace + "/" + image;
}

StatusOr<VolumeHandle> ParseVolumeHandle(std::string_view text) {
  if (text.size() > kMaxVolumeHandleBytes) {
    return absl::InvalidArgumentError(
        fmt::format("volume_id has {} bytes; the limit is {}", text.size(), kMaxVolumeHandleBytes));
  }
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(text.data(), text.size()), '/');
  if (parts.size() != 3 && parts.size() != 4) {
    return absl::InvalidArgumentError(
        fmt::format("volume_id \"{}\" is not <cluster>/<pool>[/<namespace>]/<image>", text));
  }
  VolumeHandle handle;
  handle.cluster = parts.front();
  handle.pool = parts[1];
  handle.image = parts.back();
  BERTH_RETURN_IF_ERROR(CheckAlias(handle.cluster));
  BERTH_RETURN_IF_ERROR(CheckPart("pool", handle.pool, text));
  if (parts.size() == 4) {
    handle.rados_namespace = parts[2];
    BERTH_RETURN_IF_ERROR(CheckPart("namespace", handle.rados_namespace, text));
  }
  BERTH_RETURN_IF_ERROR(CheckPart("image", handle.image, text));
  return handle;
}

std::string ImageNameFor(std::string_view request_name) {
  const bool plain = !request_name.empty() && request_name.size() <= kMaxPlainNameBytes &&
                     IsAlphanumeric(request_name.front()) &&
                     std::all_of(request_name.begin(), request_name.end(), [](char c) {
                       return IsAlphanumeric(c) || c == '.' || c == '_' || c == '-';
                     });
  if (plain) return std::string(request_name);
  return "b-" + Sha256Hex(request_name).substr(0, kHashedNameDigits);
}

}  // namespace berth
