#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace berth {
namespace {

constexpr size_t kOutputLimit = size_t{16} * 1024;

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// A child starts with default signal dispositions and nothing blocked, whatever we have set.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

StatusOr<pid_t> Spawn(const std::vector<std::string>& argv, SpawnActions& actions) {
  const std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, argv[0].c_str(), actions.get(), attributes.get(),
                                 Pointers(argv).data(), Pointers(environment).data());
  if (error != 0) return ErrnoError(error, fmt::format("start {}", argv[0]));
  return pid;
}

// Not every library marks its descriptors close-on-exec, so the child closes all but those meant
// for it.
void CloseOthers(SpawnActions& actions, const std::vector<ChildProcess::Inherited>& inherited) {
  std::set<int> kept;
  for (const ChildProcess::Inherited& fd : inherited) kept.insert(fd.theirs);
  const int end = std::max(STDERR_FILENO, kept.empty() ? 0 : *kept.rbegin()) + 1;
  for (int fd = STDERR_FILENO + 1; fd < end; ++fd) {
    if (!kept.contains(fd)) posix_spawn_file_actions_addclose(actions.get(), fd);
  }
  posix_spawn_file_actions_addclosefrom_np(actions.get(), end);
}

int PollTimeoutMs(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return -1;
  const int64_t left_ms = absl::ToInt64Milliseconds(deadline - absl::Now());
  return static_cast<int>(std::clamp<int64_t>(left_ms + 1, 0, 3'600'000));
}

int ExitCode(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

// Reads until end of file or deadline; keeps the last kOutputLimit bytes.
bool ReadToEnd(int fd, absl::Time deadline, std::string& output) {
  char buffer[4096];
  for (;;) {
    pollfd poll_fd = {fd, POLLIN, 0};
    const int ready = poll(&poll_fd, 1, PollTimeoutMs(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && absl::Now() >= deadline) return false;
    if (ready <= 0) continue;
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    output.append(buffer, static_cast<size_t>(count));
    if (output.size() > 2 * kOutputLimit) output.erase(0, output.size() - kOutputLimit);
  }
}

}  // namespace

StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& argv, absl::Time deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "make a pipe");
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  SpawnActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions.get(), write_end.get(), STDERR_FILENO);
  CloseOthers(actions, {});
  BERTH_ASSIGN_OR_RETURN(const pid_t pid, Spawn(argv, actions));
  write_end.Reset();
  ProcessResult result;
  const bool ended = ReadToEnd(read_end.get(), deadline, result.output);
  if (!ended) kill(pid, SIGKILL);  // not yet reaped, so the number is still this child's
  siginfo_t info = {};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  if (!ended) {
    return absl::DeadlineExceededError(
        fmt::format("\"{}\" did not end in time and was stopped", absl::StrJoin(argv, " ")));
  }
  if (result.output.size() > kOutputLimit) {
    result.output.erase(0, result.output.size() - kOutputLimit);
  }
  result.exit_code = ExitCode(info);
  return result;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  return *this;
}

StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                           const std::vector<Inherited>& inherited) {
  // Two steps, so that a target number that is also a source is not overwritten too early: first
  // every source is copied above all targets, then down to where the child expects it.
  int above = STDERR_FILENO + 1;
  for (const Inherited& fd : inherited) above = std::max({above, fd.ours + 1, fd.theirs + 1});
  std::vector<Fd> copies;
  SpawnActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (const Inherited& fd : inherited) {
    copies.emplace_back(fcntl(fd.ours, F_DUPFD_CLOEXEC, above));
    if (!copies.back().valid()) return ErrnoError(errno, "copy a descriptor for a child process");
    posix_spawn_file_actions_adddup2(actions.get(), copies.back().get(), fd.theirs);
  }
  CloseOthers(actions, inherited);
  BERTH_ASSIGN_OR_RETURN(const pid_t pid, Spawn(argv, actions));
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return ErrnoError(error, fmt::format("watch the child process {}", argv[0]));
  }
  return ChildProcess(pid, std::move(pidfd));
}

StatusOr<int> ChildProcess::Wait(absl::Time deadline) {
  for (;;) {
    siginfo_t info = {};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) == 0) {
      if (info.si_pid != 0) return ExitCode(info);
    } else if (errno == EINTR) {
      continue;
    } else if (errno != ECHILD || pid_ >= 0) {
      return ErrnoError(errno, fmt::format("wait for process {}", pid_));
    } else if (pollfd ended = {pidfd_.get(), POLLIN, 0}; poll(&ended, 1, 0) == 1) {
      return kUnknownExitCode;
    }
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(fmt::format("process {} is still running", pid_));
    }
    pollfd poll_fd = {pidfd_.get(), POLLIN, 0};
    poll(&poll_fd, 1, PollTimeoutMs(deadline));
  }
}

Status ChildProcess::Signal(int signal) const {
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0) {
    return ErrnoError(errno, fmt::format("send signal {} to process {}", signal, pid_));
  }
  return absl::OkStatus();
}

}  // namespace berth
