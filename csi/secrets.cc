#include "csi/secrets.h"

namespace berth {

StatusOr<std::optional<CephUser>> UserFromSecrets(
    const google::protobuf::Map<std::string, std::string>& secrets) {
  const auto id = secrets.find("userID");
  const auto key = secrets.find("userKey");
  if (id == secrets.end() && key == secrets.end()) return std::optional<CephUser>();
  if (id == secrets.end() || key == secrets.end() || id->second.empty() || key->second.empty()) {
    return absl::InvalidArgumentError(
        "secrets: userID and userKey belong together and must not be empty");
  }
  return std::optional<CephUser>(CephUser{id->second, key->second});
}

}  // namespace berth
