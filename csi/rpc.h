// The one way in which every RPC of every service runs. A service overrides gRPC's callback method
// and hands it to Serve with four small pieces: how to validate, what to guard, how to log, what to
// do.
//
//   grpc::ServerUnaryReactor* DeleteVolume(grpc::CallbackServerContext* context,
//                                          const csi::v1::DeleteVolumeRequest* request,
//                                          csi::v1::DeleteVolumeResponse* response) override {
//     return rpcs_.Serve(context, request, response,
//                        {.name = "DeleteVolume",
//                         .validate = [](const auto& r) { return CheckVolumeId(r.volume_id()); },
//                         .subject = [](const auto& r) { return r.volume_id(); },
//                         .body = [this](const auto& r, auto& reply, absl::Time deadline) {
//                           return Delete(r, reply, deadline);
//                         }});
//   }
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "base/grpc_status.h"
#include "base/keyed_guard.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "base/worker_pool.h"

namespace berth {

enum class RpcKind {
  kMutating,  // logged at info
  kQuery,     // changes nothing and is asked often: logged at debug
};

struct RpcLimits {
  size_t max_running = 64;  // bodies, those past their deadline included
  size_t max_queued = 256;
  size_t max_waiting_per_subject = 16;
  absl::Duration default_deadline = absl::Seconds(60);  // for a client that gives none
  absl::Duration max_deadline = absl::Minutes(10);
};

// How one RPC is served.
template <typename Request, typename Response>
struct RpcMethod {
  std::string name;  // "NodeStageVolume"
  RpcKind kind = RpcKind::kMutating;
  // Refuses a malformed request before anything else happens. Pure and quick. Absent: no check.
  std::function<Status(const Request&)> validate = {};
  // What the RPC is about: volume id or name. It is logged. Absent: nothing.
  std::function<std::string(const Request&)> subject = {};
  // Whether RPCs about the same subject run one after another.
  bool guarded = true;
  // Blocks as long as it must, with `deadline` as its own limit; an exception becomes INTERNAL.
  std::function<Status(const Request&, Response&, absl::Time deadline)> body = {};
};

// One RPC between its arrival and the end of its body. Only RpcRunner uses it.
//
//   waiting ──▶ running ──▶ done          answered when it becomes done,
//      │           │          ▲           or late: whichever comes first
//      │ deadline  └─▶ late ──┤
//      └──────────────────────┘
class RpcCall {
 public:
  RpcCall() = default;
  virtual ~RpcCall() = default;
  RpcCall(const RpcCall&) = delete;
  RpcCall& operator=(const RpcCall&) = delete;

 protected:
  absl::Time deadline() const { return deadline_; }

 private:
  friend class RpcRunner;
  enum class Phase { kWaiting, kRunning, kLate, kDone };

  virtual Status Validate() = 0;
  virtual Status Run() = 0;
  // Ends the RPC, once. The response is read only when `status` is OK: then the body has returned.
  virtual void Answer(const Status& status) = 0;

  std::string name_;
  RpcKind kind_ = RpcKind::kMutating;
  std::string subject_;
  bool guarded_ = false;
  absl::Time begin_;
  absl::Time deadline_;
  Synchronized<Phase> phase_{Phase::kWaiting};
  grpc::Alarm alarm_;
};

// Runs RPCs: validation, the volume's guard, the deadline, a bounded number of threads, one log
// line, one status.
//
// Deadline: the client's, at most `max_deadline`, and `default_deadline` when it gives none. When
// it passes first, the client gets DEADLINE_EXCEEDED and the body goes on with its own copy of
// request and response, because calls to Ceph, mount and mkfs cannot be cancelled. It keeps the
// subject's guard until it returns, so a retry waits for it and then finds its work done, and it
// counts against `max_running`. late() says how many there are.
//
// Log: one line when the RPC is answered (method, subject, code, message when failed,
// milliseconds): info for mutating calls, debug for queries, warning for failures. A body that
// returns after its RPC was answered adds a line with its outcome, which nobody would learn
// otherwise. Nothing else of a request is logged: it may hold secrets.
//
// UNAVAILABLE when too many RPCs are queued: a code after which the caller tries again and
// concludes nothing.
//
// Thread-safe. It must outlive the gRPC server; its destructor waits for bodies that still run.
class RpcRunner {
 public:
  explicit RpcRunner(const RpcLimits& limits = {});

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Request* request,
                                  Response* response, RpcMethod<Request, Response> method);

  // Bodies that run now, and those among them whose RPC was answered already.
  size_t running() const { return running_.load(); }
  size_t late() const { return late_.load(); }

 private:
  template <typename Request, typename Response>
  class TypedCall;

  void Start(const std::shared_ptr<RpcCall>& call,
             std::chrono::system_clock::time_point client_deadline);
  void RunOnWorker(RpcCall& call);
  bool BeginBody(RpcCall& call);
  void EndBody(RpcCall& call, const Status& status);
  void OnDeadline(RpcCall& call);
  // Ends an RPC whose body never ran.
  static void Refuse(RpcCall& call, const Status& status);

  const RpcLimits limits_;
  std::atomic<size_t> running_ = 0;
  std::atomic<size_t> late_ = 0;
  KeyedGuard guard_;
  WorkerPool pool_;  // last: its destructor runs what is queued
};

template <typename Request, typename Response>
class RpcRunner::TypedCall final : public RpcCall {
 public:
  TypedCall(grpc::ServerUnaryReactor* reactor, const Request& request, Response* response,
            RpcMethod<Request, Response> method)
      : reactor_(reactor), request_(request), destination_(response), method_(std::move(method)) {}

 private:
  Status Validate() override {
    return method_.validate ? method_.validate(request_) : absl::OkStatus();
  }
  Status Run() override { return method_.body(request_, response_, deadline()); }
  void Answer(const Status& status) override {
    if (status.ok()) destination_->Swap(&response_);
    reactor_->Finish(ToGrpc(status));
  }

  grpc::ServerUnaryReactor* const reactor_;
  const Request request_;
  Response response_;
  Response* const destination_;
  const RpcMethod<Request, Response> method_;
};

template <typename Request, typename Response>
grpc::ServerUnaryReactor* RpcRunner::Serve(grpc::CallbackServerContext* context,
                                           const Request* request, Response* response,
                                           RpcMethod<Request, Response> method) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  auto call = std::make_shared<TypedCall<Request, Response>>(reactor, *request, response, method);
  call->name_ = method.name;
  call->kind_ = method.kind;
  call->guarded_ = method.guarded;
  if (method.subject) call->subject_ = method.subject(*request);
  Start(std::move(call), context->deadline());
  return reactor;
}

}  // namespace berth
