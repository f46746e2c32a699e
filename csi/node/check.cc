#include "csi/node/check.h"

#include <spdlog/fmt/fmt.h>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "base/process.h"

namespace berth {
namespace {

constexpr int kRepaired = 1 | 2;
constexpr int kDamageLeft = 4;
constexpr int kCouldNotWork = 8;

}  // namespace

Status CheckExt4(const std::string& device) {
  BERTH_ASSIGN_OR_RETURN(const ProcessResult result,
                         RunProcess({"e2fsck", "-p", device}, absl::InfiniteFuture()));
  if ((result.exit_code & ~kRepaired) == 0) return absl::OkStatus();
  const std::string words(absl::StripAsciiWhitespace(result.output));
  if ((result.exit_code & ~(kRepaired | kDamageLeft)) == 0) {
    return absl::DataLossError(
        fmt::format("the ext4 file system on {0} is damaged beyond automatic repair; take a "
                    "snapshot, publish the volume as a raw block volume, and run \"e2fsck -f\" on "
                    "its device. e2fsck says: {1}",
                    device, words));
  }
  if ((result.exit_code & ~(kRepaired | kDamageLeft | kCouldNotWork)) == 0) {
    return absl::UnavailableError(
        fmt::format("e2fsck cannot work on {} (unreadable or in use): {}", device, words));
  }
  return absl::InternalError(
      fmt::format("e2fsck on {} ended with {}: {}", device, result.exit_code, words));
}

}  // namespace berth
