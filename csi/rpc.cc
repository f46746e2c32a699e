#include "csi/rpc.h"

#include <algorithm>
#include <exception>

#include "absl/time/clock.h"
#include "base/log.h"

namespace berth {
namespace {

void WriteLogLine(const char* message, const std::string& method, const std::string& subject,
                  RpcKind kind, absl::Time begin, const Status& status) {
  LogLine line(message);
  line.Field("method", method);
  if (!subject.empty()) line.Field("volume", subject);
  line.Field("code", std::string(absl::StatusCodeToString(status.code())));
  if (!status.ok()) line.Field("error", std::string(status.message()));
  line.Field("ms", absl::ToInt64Milliseconds(absl::Now() - begin));
  if (!status.ok()) {
    line.Write(spdlog::level::warn);
  } else {
    line.Write(kind == RpcKind::kMutating ? spdlog::level::info : spdlog::level::debug);
  }
}

absl::Time DeadlineFor(std::chrono::system_clock::time_point client, absl::Time now,
                       const RpcLimits& limits) {
  if (client == std::chrono::system_clock::time_point::max()) return now + limits.default_deadline;
  return std::min(absl::FromChrono(client), now + limits.max_deadline);
}

}  // namespace

RpcRunner::RpcRunner(const RpcLimits& limits)
    : limits_(limits),
      guard_(limits.max_waiting_per_subject),
      pool_(limits.max_running, limits.max_queued) {}

void RpcRunner::Start(const std::shared_ptr<RpcCall>& call,
                      std::chrono::system_clock::time_point client_deadline) {
  call->begin_ = absl::Now();
  call->deadline_ = DeadlineFor(client_deadline, call->begin_, limits_);
  if (const Status status = call->Validate(); !status.ok()) return Refuse(*call, status);
  // Weak: the alarm is part of the call.
  call->alarm_.Set(absl::ToChronoTime(call->deadline_),
                   [this, weak = std::weak_ptr<RpcCall>(call)](bool fired) {
                     const std::shared_ptr<RpcCall> late = weak.lock();
                     if (fired && late != nullptr) OnDeadline(*late);
                   });
  const Status queued = pool_.Submit([this, call] { RunOnWorker(*call); });
  if (!queued.ok()) Refuse(*call, absl::UnavailableError(queued.message()));
}

void RpcRunner::RunOnWorker(RpcCall& call) {
  KeyedGuard::Hold hold;
  if (call.guarded_ && !call.subject_.empty()) {
    StatusOr<KeyedGuard::Hold> acquired = guard_.Acquire(call.subject_, call.deadline_);
    if (!acquired.ok()) return Refuse(call, acquired.status());
    hold = *std::move(acquired);
  }
  if (!BeginBody(call)) return;
  Status status;
  try {
    status = call.Run();
  } catch (const std::exception& error) {
    status = absl::InternalError(std::string("unexpected failure: ") + error.what());
  } catch (...) {
    status = absl::InternalError("unexpected failure of an unknown kind");
  }
  EndBody(call, status);
}

bool RpcRunner::BeginBody(RpcCall& call) {
  auto phase = call.phase_.Lock();
  if (*phase != RpcCall::Phase::kWaiting) return false;
  *phase = RpcCall::Phase::kRunning;
  ++running_;
  return true;
}

void RpcRunner::EndBody(RpcCall& call, const Status& status) {
  bool late = false;
  {
    auto phase = call.phase_.Lock();
    late = *phase == RpcCall::Phase::kLate;
    *phase = RpcCall::Phase::kDone;
    if (late) --late_;
    --running_;
  }
  WriteLogLine(late ? "rpc went on past its deadline and has ended" : "rpc", call.name_,
               call.subject_, call.kind_, call.begin_, status);
  if (!late) call.Answer(status);
}

void RpcRunner::OnDeadline(RpcCall& call) {
  bool started = false;
  {
    auto phase = call.phase_.Lock();
    if (*phase != RpcCall::Phase::kWaiting && *phase != RpcCall::Phase::kRunning) return;
    started = *phase == RpcCall::Phase::kRunning;
    *phase = started ? RpcCall::Phase::kLate : RpcCall::Phase::kDone;
    if (started) ++late_;
  }
  const Status status = absl::DeadlineExceededError(
      started
          ? "the call did not end within its deadline and goes on; repeat it to learn its outcome"
          : "the call could not be started within its deadline; try again later");
  WriteLogLine("rpc", call.name_, call.subject_, call.kind_, call.begin_, status);
  call.Answer(status);
}

void RpcRunner::Refuse(RpcCall& call, const Status& status) {
  {
    auto phase = call.phase_.Lock();
    if (*phase != RpcCall::Phase::kWaiting) return;
    *phase = RpcCall::Phase::kDone;
  }
  WriteLogLine("rpc", call.name_, call.subject_, call.kind_, call.begin_, status);
  call.Answer(status);
}

}  // namespace berth
