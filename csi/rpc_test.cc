#include "csi/rpc.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "csi.grpc.pb.h"

namespace berth {
namespace {

using ::csi::v1::DeleteVolumeRequest;
using ::csi::v1::DeleteVolumeResponse;
using ::testing::HasSubstr;
using ::testing::Not;

using DeleteMethod = RpcMethod<DeleteVolumeRequest, DeleteVolumeResponse>;

// A service with one RPC, whose parts each test chooses.
class OneRpc final : public csi::v1::Controller::CallbackService {
 public:
  OneRpc(RpcRunner& rpcs, DeleteMethod method) : rpcs_(rpcs), method_(std::move(method)) {}
  grpc::ServerUnaryReactor* DeleteVolume(grpc::CallbackServerContext* context,
                                         const DeleteVolumeRequest* request,
                                         DeleteVolumeResponse* response) override {
    return rpcs_.Serve(context, request, response, method_);
  }

 private:
  RpcRunner& rpcs_;
  const DeleteMethod method_;
};

class RpcTest : public testing::Test {
 protected:
  void SetUp() override {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    logger_before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("text", sink));
    spdlog::default_logger()->set_level(spdlog::level::debug);
    spdlog::default_logger()->set_pattern("%l %v");
  }
  void TearDown() override {
    StopServer();
    spdlog::set_default_logger(logger_before_);
  }

  void Serve(DeleteMethod method, const RpcLimits& limits = {}) {
    rpcs_ = std::make_unique<RpcRunner>(limits);
    service_ = std::make_unique<OneRpc>(*rpcs_, std::move(method));
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = csi::v1::Controller::NewStub(server_->InProcessChannel({}));
  }

  // Ends the server and waits for every body: afterwards the log is complete.
  void StopServer() {
    if (server_ != nullptr) server_->Shutdown();
    server_.reset();
    rpcs_.reset();
  }

  grpc::Status Call(const std::string& volume, absl::Duration timeout = absl::Seconds(30)) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    return CallWith(context, volume);
  }
  grpc::Status CallWith(grpc::ClientContext& context, const std::string& volume) {
    DeleteVolumeRequest request;
    request.set_volume_id(volume);
    (*request.mutable_secrets())["userKey"] = "AQ-very-secret";
    DeleteVolumeResponse response;
    return stub_->DeleteVolume(&context, request, &response);
  }

  static DeleteMethod Method(
      std::function<Status(const DeleteVolumeRequest&, DeleteVolumeResponse&, absl::Time)> body) {
    return {.name = "DeleteVolume",
            .subject = [](const DeleteVolumeRequest& r) { return r.volume_id(); },
            .body = std::move(body)};
  }

  int LogLines() const {
    const std::string text = log_.str();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> logger_before_;
  std::unique_ptr<RpcRunner> rpcs_;
  std::unique_ptr<OneRpc> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<csi::v1::Controller::Stub> stub_;
};

TEST_F(RpcTest, AnswersWithTheBodysStatusAndWritesOneLine) {
  Serve(Method([](const auto&, auto&, absl::Time) {
    return absl::FailedPreconditionError("held by node-b");
  }));
  const grpc::Status status = Call("lab/rbd/a");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "held by node-b");
  StopServer();
  EXPECT_EQ(LogLines(), 1);
  EXPECT_THAT(log_.str(), HasSubstr("warning rpc method=DeleteVolume volume=lab/rbd/a "
                                    "code=FAILED_PRECONDITION error=\"held by node-b\" ms="));
  EXPECT_THAT(log_.str(), Not(HasSubstr("secret")));
}

TEST_F(RpcTest, LogsMutatingCallsAtInfoAndQueriesAtDebug) {
  const auto ok = [](const auto&, auto&, absl::Time) { return absl::OkStatus(); };
  Serve(Method(ok));
  EXPECT_TRUE(Call("a").ok());
  StopServer();
  EXPECT_THAT(log_.str(), testing::StartsWith("info rpc method=DeleteVolume volume=a code=OK ms="));
  log_.str("");
  DeleteMethod query = Method(ok);
  query.kind = RpcKind::kQuery;
  Serve(query);
  EXPECT_TRUE(Call("a").ok());
  StopServer();
  EXPECT_THAT(log_.str(), testing::StartsWith("debug rpc"));
}

TEST_F(RpcTest, RefusesWhatDoesNotValidateWithoutRunningTheBody) {
  std::atomic<int> ran = 0;
  DeleteMethod method = Method([&](const auto&, auto&, absl::Time) {
    ++ran;
    return absl::OkStatus();
  });
  method.validate = [](const DeleteVolumeRequest&) {
    return absl::InvalidArgumentError("volume_id is missing");
  };
  Serve(method);
  EXPECT_EQ(Call("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ran, 0);
  StopServer();
  EXPECT_EQ(LogLines(), 1);
}

TEST_F(RpcTest, GivesTheBodyTheClientsDeadlineADefaultOrTheLimit) {
  std::promise<absl::Time> seen;
  Serve(Method([&](const auto&, auto&, absl::Time deadline) {
          std::exchange(seen, {}).set_value(deadline);
          return absl::OkStatus();
        }),
        {.default_deadline = absl::Seconds(40), .max_deadline = absl::Seconds(100)});
  auto left = seen.get_future();
  EXPECT_TRUE(Call("a", absl::Seconds(20)).ok());
  EXPECT_NEAR(absl::ToDoubleSeconds(left.get() - absl::Now()), 20, 3);
  left = seen.get_future();
  EXPECT_TRUE(Call("a", absl::Hours(2)).ok());
  EXPECT_NEAR(absl::ToDoubleSeconds(left.get() - absl::Now()), 100, 3);
  left = seen.get_future();
  grpc::ClientContext without_deadline;
  EXPECT_TRUE(CallWith(without_deadline, "a").ok());
  EXPECT_NEAR(absl::ToDoubleSeconds(left.get() - absl::Now()), 40, 3);
}

// The server's own limit is used here, so that the answer seen is the server's and not the client
// library's.
TEST_F(RpcTest, AnswersAtTheDeadlineWhileTheBodyGoesOnAndKeepsTheGuard) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> ran = 0;
  Serve(Method([&](const DeleteVolumeRequest& request, auto&, absl::Time) {
          if (++ran == 1) released.wait();
          return request.volume_id() == "a" ? absl::OkStatus() : absl::InternalError("copy lost");
        }),
        {.max_deadline = absl::Milliseconds(300)});
  const grpc::Status status = Call("a");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("goes on; repeat it"));
  EXPECT_EQ(rpcs_->running(), 1u);
  EXPECT_EQ(rpcs_->late(), 1u);

  EXPECT_FALSE(Call("a").ok());  // the guard is kept
  EXPECT_EQ(ran, 1);
  Call("b");  // another volume is not held up
  EXPECT_EQ(ran, 2);

  release.set_value();
  EXPECT_TRUE(Call("a").ok());
  EXPECT_EQ(ran, 3);
  StopServer();
  EXPECT_THAT(log_.str(), HasSubstr("info rpc went on past its deadline and has ended "
                                    "method=DeleteVolume volume=a code=OK"));
  EXPECT_EQ(LogLines(), 5);
}

TEST_F(RpcTest, BodiesPastTheirDeadlineCountAgainstTheLimit) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Serve(Method([released](const auto&, auto&, absl::Time) {
          released.wait();
          return absl::OkStatus();
        }),
        {.max_running = 1, .max_queued = 1, .max_deadline = absl::Milliseconds(200)});
  EXPECT_EQ(Call("a").error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const grpc::Status queued = Call("b");
  EXPECT_EQ(queued.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(queued.error_message(), HasSubstr("could not be started"));
  EXPECT_EQ(Call("c").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(rpcs_->late(), 1u);
  release.set_value();
}

TEST_F(RpcTest, AnExceptionBecomesInternal) {
  Serve(Method([](const auto&, auto&, absl::Time) -> Status {
    throw std::runtime_error("a broken promise");
  }));
  const grpc::Status status = Call("a");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("a broken promise"));
  EXPECT_EQ(rpcs_->running(), 0u);
}

}  // namespace
}  // namespace berth
