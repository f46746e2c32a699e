#include "rbd/data/io_supervisor.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "absl/time/clock.h"
#include "rbd/data/io_process.h"

namespace berth {
namespace {

using data::io::v1::Command;
using data::io::v1::Report;

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kServedWell = absl::Seconds(1);
// How long a caller waits for the copies to be kept, which takes microseconds.
constexpr absl::Duration kKeepTimeout = absl::Seconds(2);

absl::Duration PauseBefore(int attempt) {
  if (attempt <= 1) return absl::ZeroDuration();
  return std::min(kFirstPause * (1 << std::min(attempt - 2, 10)), kLongestPause);
}

int PollTimeoutMs(absl::Time until) {
  if (until == absl::InfiniteFuture()) return -1;
  const int64_t left_ms = absl::ToInt64Milliseconds(until - absl::Now());
  return static_cast<int>(std::clamp<int64_t>(left_ms + 1, 0, 60'000));
}

// Errors after which another process would be told the same.
bool IsFinal(const Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsNotFound(status);
}

// What somebody else has to mend: it is waited for. A key that Ceph refuses is among it, because
// the old one may have been revoked before the new one was written down.
bool IsOutage(const Status& status) {
  return OutcomeIsUnknown(status.code()) || absl::IsPermissionDenied(status);
}

Status DiedWith(int exit_code) {
  if (exit_code == ChildProcess::kUnknownExitCode) {
    return absl::UnavailableError("the I/O process ended");
  }
  return absl::UnavailableError(
      exit_code > 128
          ? fmt::format("the I/O process was ended by signal {}", exit_code - 128)
          : fmt::format("the I/O process ended with code {} and no explanation", exit_code));
}

}  // namespace

IoSupervisor::IoSupervisor(Options options, std::vector<Fd> fuse, Fd memory)
    : options_(std::move(options)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      fuse_(std::move(fuse)),
      memory_(std::move(memory)),
      thread_([this] {
        StartProcess();
        Run();
      }) {}

IoSupervisor::IoSupervisor(Options options, HeldIo held)
    : options_(std::move(options)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TakeOver(std::move(held));
  thread_ = std::thread([this] { Run(); });
}

IoSupervisor::~IoSupervisor() {
  shared_.Lock()->abandoned = true;
  Wake();
  if (thread_.joinable()) thread_.join();
}

void IoSupervisor::Replace(absl::Time deadline) {
  shared_.Lock()->replace_asked = true;
  Wake();
  auto shared = shared_.Lock();
  shared.WaitUntil(deadline, [&] { return !shared->replace_asked; });
}

IoSupervisor::View IoSupervisor::view() { return *shared_.Lock(); }

Status IoSupervisor::WaitUntilOpened(absl::Time deadline) {
  auto shared = shared_.Lock();
  if (!shared.WaitUntil(deadline, [&] { return shared->state != State::kOpening; })) {
    return absl::DeadlineExceededError("the image is still being opened");
  }
  if (shared->state != State::kGone) return absl::OkStatus();
  return shared->status.ok() ? absl::AbortedError("the image was closed meanwhile")
                             : shared->status;
}

void IoSupervisor::Serve() {
  shared_.Lock()->serve_asked = true;
  Wake();
}

Status IoSupervisor::ConfirmDevice() {
  shared_.Lock()->device_confirmed = true;
  Keep();
  if (shared_.Lock()->state != State::kGone) return absl::OkStatus();
  return absl::UnavailableError("the I/O process ended before its device was in use: call again");
}

void IoSupervisor::Keep() {
  shared_.Lock()->keep_asked = true;
  Wake();
  auto shared = shared_.Lock();
  shared.WaitUntil(absl::Now() + kKeepTimeout,
                   [&] { return !shared->keep_asked || shared->state == State::kGone; });
}

void IoSupervisor::Close() {
  shared_.Lock()->close_asked = true;
  Wake();
}

Status IoSupervisor::WaitUntilGone(absl::Time deadline) {
  auto shared = shared_.Lock();
  if (!shared.WaitUntil(deadline, [&] { return shared->state == State::kGone; })) {
    return absl::DeadlineExceededError(
        "the I/O process is still closing the image; call again to learn how it ends");
  }
  return shared->status;
}

void IoSupervisor::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);  // full: awake
}

void IoSupervisor::Enter(State state) {
  auto shared = shared_.Lock();
  shared->state = state;
  // In every state but this there is no process of another version, or it is ending.
  if (state != State::kRecovering) {
    shared->replace_asked = false;
    shared->stalled.clear();
  }
  shared.NotifyAll();
}

void IoSupervisor::Run() {
  for (;;) {
    FollowRequests();
    {
      const auto shared = shared_.Lock();
      if (shared->state == State::kGone || shared->abandoned) return;
    }
    WaitForWork();
  }
}

absl::Time IoSupervisor::NextTimer() const { return std::min(retry_at_, kill_at_); }

void IoSupervisor::WaitForWork() {
  std::array<pollfd, 3> polled = {{{wake_.get(), POLLIN, 0},
                                   {channel_ ? channel_->fd() : -1, POLLIN, 0},
                                   {process_ ? process_->pidfd() : -1, POLLIN, 0}}};
  if (poll(polled.data(), polled.size(), PollTimeoutMs(NextTimer())) < 0) return;  // interrupted
  if (polled[0].revents != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof count);
  }
  if (polled[1].revents != 0) ReadReport();
  if (polled[2].revents != 0) {
    while (channel_) ReadReport();  // what it said last
    const StatusOr<int> exit_code = process_->Wait(absl::InfiniteFuture());
    process_.reset();
    OnProcessEnd(exit_code.value_or(-1));
  }
  if (absl::Now() >= kill_at_) {
    kill_at_ = absl::InfiniteFuture();
    if (process_) process_->Signal(SIGKILL).IgnoreError();
  }
  if (absl::Now() >= retry_at_) {
    retry_at_ = absl::InfiniteFuture();
    StartProcess();
  }
}

void IoSupervisor::StartProcess() {
  instance_.clear();
  ended_.reset();
  unserved_ = false;
  replacing_ = false;
  kill_at_ = absl::InfiniteFuture();
  served_since_ = absl::InfiniteFuture();
  if (const Status status = Spawn(); !status.ok()) {
    channel_.reset();
    ended_ = status;
    OnProcessEnd(-1);
  }
}

Status IoSupervisor::Spawn() {
  Command command;
  BERTH_ASSIGN_OR_RETURN(*command.mutable_open(), options_.make_open());
  command.mutable_open()->set_fuse_descriptors(static_cast<uint32_t>(fuse_.size()));
  for (const std::string& dead : dead_instances_) command.mutable_open()->add_dead_instances(dead);
  for (const std::string& closed : closed_instances_) {
    command.mutable_open()->add_closed_instances(closed);
  }
  command.mutable_open()->set_succeeds(shared_.Lock()->state == State::kRecovering);
  BERTH_ASSIGN_OR_RETURN(auto ends, IoChannel::MakePair());
  std::vector<ChildProcess::Inherited> inherited = {{ends.second.fd(), kIoChannelFd}};
  int theirs = kFirstFuseFd;
  for (const Fd& fd : fuse_) inherited.push_back({fd.get(), theirs++});
  inherited.push_back({memory_.get(), theirs});
  BERTH_ASSIGN_OR_RETURN(process_, ChildProcess::Start(options_.command, inherited));
  channel_ = std::move(ends.first);
  KeepDescriptors();
  Send(command);
  return absl::OkStatus();
}

void IoSupervisor::ReadReport() {
  Report report;
  if (channel_->Receive(report).ok()) {
    OnReport(report);
  } else {
    channel_.reset();  // its end is closed: the process is ending
  }
}

void IoSupervisor::OnReport(const Report& report) {
  switch (report.report_case()) {
    case Report::kConnected:
      instance_ = report.connected().instance();
      shared_.Lock()->instance = instance_;
      return;
    case Report::kOpened:
      return OnOpened();
    case Report::kFenced:
      shared_.Lock()->fenced = true;
      options_.on_event(fmt::format(
          "client instance {} was fenced; the device answers I/O errors from now on", instance_));
      return;
    case Report::kStalled:
      return OnStalled(report.stalled().seconds());
    case Report::kResized:
      return options_.on_resized();
    case Report::kEnded:
      ended_ = StatusOf(report.ended());
      // Perhaps by a berth-data that is gone.
      replacing_ = replacing_ || report.ended().yielded();
      unserved_ = report.ended().unserved();
      return;
    case Report::REPORT_NOT_SET:  // of a newer version
      return;
  }
}

void IoSupervisor::OnOpened() {
  dead_instances_.clear();
  closed_instances_.clear();
  const Shared shared = *shared_.Lock();
  if (shared.state == State::kOpening) return Enter(State::kOpened);
  // Taken over while it opened: it has been told already.
  if (shared.state != State::kRecovering) return;
  if (shared.close_asked) return SendClose();
  SendServe();
  Enter(State::kServing);
  options_.on_event(fmt::format("I/O goes on with client instance {}", instance_));
}

void IoSupervisor::OnStalled(uint32_t seconds) {
  std::string stalled;
  if (seconds != 0) {
    stalled = fmt::format(
        "I/O has waited for {} s: Ceph does not answer, or the pool or the cluster is full "
        "(`ceph status` says which)",
        seconds);
  }
  bool news = false;
  {
    const auto shared = shared_.Lock();
    news = shared->stalled.empty() != stalled.empty();
    shared->stalled = stalled;
  }
  if (news) options_.on_event(seconds != 0 ? stalled : "I/O goes on");
}

void IoSupervisor::FollowRequests() {
  const Shared shared = *shared_.Lock();
  if (shared.keep_asked) KeepDescriptors();
  switch (shared.state) {
    case State::kOpened:
      if (shared.close_asked) {
        SendClose();
      } else if (shared.serve_asked) {
        SendServe();
        Enter(State::kServing);
      } else if (shared.replace_asked) {
        Enter(State::kOpened);
      }
      return;
    case State::kServing:
      if (shared.close_asked) {
        Enter(State::kClosing);
      } else if (shared.replace_asked && !shared.device_confirmed) {
        Enter(State::kServing);
      } else if (shared.replace_asked && !replacing_) {
        EndForReplacement();
      }
      return;
    case State::kFailed:
      if (shared.close_asked) BecomeGone(absl::OkStatus());
      if (shared.replace_asked) Enter(shared.state);
      return;
    case State::kRecovering:
      return;
    case State::kOpening:
    case State::kClosing:
    case State::kGone:
      if (shared.replace_asked) Enter(shared.state);
      return;
  }
}

void IoSupervisor::EndForReplacement() {
  replacing_ = true;
  kill_at_ = absl::Now() + kYieldTimeout;
  Command command;
  command.mutable_yield();
  Send(command);
}

void IoSupervisor::SendServe() {
  Command command;
  command.mutable_serve();
  Send(command);
  served_since_ = absl::Now();
}

void IoSupervisor::SendClose() {
  Command command;
  command.mutable_close();
  Send(command);
  Enter(State::kClosing);
}

// An error means that the process is gone, which its pidfd tells too.
void IoSupervisor::Send(const Command& command) {
  if (channel_) channel_->Send(command).IgnoreError();
}

void IoSupervisor::OnProcessEnd(int exit_code) {
  const Shared shared = *shared_.Lock();
  const Status status = ended_.value_or(DiedWith(exit_code));
  // What a fenced client leaves behind is the fencer's business.
  const Status outcome = shared.fenced ? absl::OkStatus() : status;
  if (!instance_.empty() && !status.ok()) dead_instances_.push_back(instance_);
  switch (shared.state) {
    case State::kOpening:
    case State::kOpened:
      return BecomeGone(status);
    case State::kClosing:
      return BecomeGone(outcome);
    case State::kServing:
      if (replacing_ && !shared.fenced) {
        if (status.ok() && !instance_.empty()) closed_instances_.push_back(instance_);
        return Recover(absl::UnavailableError("the I/O process has made room for its successor"));
      }
      if ((ended_ && !unserved_) || !shared.device_confirmed) return BecomeGone(outcome);
      if (shared.fenced) return Fail(absl::AbortedError("the client instance was fenced"));
      return Recover(status);
    case State::kRecovering:
      return Recover(status);
    case State::kFailed:
    case State::kGone:
      return;
  }
}

void IoSupervisor::Recover(const Status& why) {
  if (IsFinal(why)) return Fail(why);
  // An outage reported by a successor is no crash: it is waited for.
  const bool outage = !replacing_ && ended_ && IsOutage(why);
  if (replacing_ || absl::Now() - served_since_ >= kServedWell) attempts_ = 0;
  if (!outage && attempts_ >= kMaxAttempts) {
    return Fail(Annotate(why, fmt::format("gave up after {} I/O processes", attempts_)));
  }
  attempts_ = std::min(attempts_ + 1, kMaxAttempts);
  Enter(State::kRecovering);
  const absl::Duration pause = outage ? kLongestPause / 5 : PauseBefore(attempts_);
  options_.on_event(
      replacing_ ? "the I/O process has made room for one of this version, I/O waits meanwhile"
                 : fmt::format("{}; the next one starts in {} ms, I/O waits meanwhile",
                               std::string(why.message()), absl::ToInt64Milliseconds(pause)));
  retry_at_ = absl::Now() + pause;
  if (outage) shared_.Lock()->stalled = std::string(why.message());
}

// Every request ends with an error. Closing the last descriptors would abort the connection too,
// but others keep copies.
void IoSupervisor::Fail(const Status& why) {
  options_.abort_connection();
  fuse_.clear();
  {
    auto shared = shared_.Lock();
    shared->state = State::kFailed;
    shared->status = why;
    shared->replace_asked = false;
    shared.NotifyAll();
  }
  KeepDescriptors();
  options_.on_event(
      fmt::format("the device answers I/O errors from now on: {}", std::string(why.message())));
}

void IoSupervisor::BecomeGone(const Status& outcome) {
  fuse_.clear();
  auto shared = shared_.Lock();
  shared->state = State::kGone;
  shared->status = outcome;
  shared->replace_asked = false;
  shared.NotifyAll();
}

}  // namespace berth
