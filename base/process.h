#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/status.h"

namespace berth {

// The one way in which Berth runs another program: argv without a shell, an environment of PATH and
// LC_ALL=C alone, standard input from /dev/null unless given, no inherited descriptors but those
// named.

struct ProcessResult {
  int exit_code = 0;   // 128 + signal number when a signal ended it
  std::string output;  // standard output and error together, the last 16 KiB
};

// Runs `argv` to its end; argv[0] is looked up in PATH. With a finite `deadline` the process is
// killed when it passes, and the answer is DEADLINE_EXCEEDED; mkfs and fsck are given
// absl::InfiniteFuture(), because a half-made file system is worse than a late one. NOT_FOUND when
// the program does not exist. A non-zero exit is not an error here: see exit_code. Blocks;
// thread-safe.
StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv, absl::Time deadline);

// A child process that outlives the call. The destructor does not kill it: whoever owns a child
// decides.
class ChildProcess {
 public:
  // A descriptor of ours and the number that the child sees it under.
  struct Inherited {
    int ours;
    int theirs;
  };

  // Starts `argv` (argv[0] is a path or is looked up in PATH) with exactly `inherited` beside
  // standard output and error, which it shares with us. Close-on-exec is set on everything else.
  static StatusOr<ChildProcess> Start(const std::vector<std::string>& argv,
                                      const std::vector<Inherited>& inherited);

  // The process behind a pidfd, whoever started it. When it is no child of ours, Wait's exit code
  // is kUnknownExitCode.
  static ChildProcess Adopt(Fd pidfd) { return ChildProcess(-1, std::move(pidfd)); }
  static constexpr int kUnknownExitCode = -1;

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() = default;

  pid_t pid() const { return pid_; }  // -1: adopted
  // A pidfd: readable once the child has ended; for poll.
  int pidfd() const { return pidfd_.get(); }
  // For whoever watches it from now on.
  Fd TakePidfd() && { return std::move(pidfd_); }
  // Waits for the end and reaps; the exit code as in ProcessResult. DEADLINE_EXCEEDED while it
  // still runs. After it answered, the pid is no longer ours and must not be used.
  StatusOr<int> Wait(absl::Time deadline);
  // Sends `signal`; NOT_FOUND when it has ended. Race-free: by pidfd, not by number.
  Status Signal(int signal) const;

 private:
  ChildProcess(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid_ = -1;
  Fd pidfd_;
};

}  // namespace berth
