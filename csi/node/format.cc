#include "csi/node/format.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "base/process.h"

namespace berth {

Status MakeExt4(const std::string& device, const std::string& uuid) {
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result, RunProcess({"mkfs.ext4", "-q", "-m", "0", "-U",
                                                                 uuid, "-E", "nodiscard", device},
                                                                absl::InfiniteFuture()));
  if (result.exit_code != 0) {
    return absl::InternalError(fmt::format("mkfs.ext4 on {} ended with {}: {}", device,
                                           result.exit_code,
                                           std::string(absl::StripAsciiWhitespace(result.output))));
  }
  return absl::OkStatus();
}

StatusOr<std::string> NewUuid() {
  std::ifstream source("/proc/sys/kernel/random/uuid");
  std::string uuid;
  if (!std::getline(source, uuid) || uuid.size() != 36) {
    return absl::InternalError("/proc/sys/kernel/random/uuid gives no UUID");
  }
  return uuid;
}

}  // namespace berth
