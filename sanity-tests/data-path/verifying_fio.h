#pragma once

#include <future>
#include <string>

#include "absl/time/time.h"
#include "base/status.h"

namespace berth {

// fio on a device for some seconds: small and large writes, each read back and compared. Runs
// beside the caller.
class VerifyingFio {
 public:
  struct Result {
    absl::Duration longest_pause;  // the slowest single operation
    uint64_t operations = 0;
  };

  // `device` is of at least 64 MiB; `depth` operations of each size are in flight; fio's report
  // goes to `output_path`.
  VerifyingFio(const std::string& device, int depth, absl::Duration duration,
               std::string output_path);

  bool running() const;
  // Waits for its end. INTERNAL with fio's own words after an I/O error or a wrong byte.
  StatusOr<Result> Wait();

 private:
  const std::string output_path_;
  std::future<Status> ended_;
};

// How long the tests here load a device: 6 s, or $BERTH_SURVIVAL_SECONDS.
absl::Duration SurvivalDuration();

}  // namespace berth
