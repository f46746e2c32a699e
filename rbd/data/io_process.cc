#include "rbd/data/io_process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/synchronized.h"
#include "io_process.pb.h"
#include "rbd/data/fuse_server.h"
#include "rbd/data/image_session.h"
#include "rbd/data/instance_file.h"
#include "rbd/data/io_channel.h"
#include "rbd/data/rbd_backend.h"
#include "rbd/data/rbd_image_client.h"
#include "rbd/data/request_memory.h"
#include "rbd/data/size_watch.h"

namespace berth {
namespace {

using data::io::v1::Command;
using data::io::v1::Open;
using data::io::v1::Report;

// From then on somebody should know that a request waits.
constexpr absl::Duration kStalled = absl::Seconds(5);
constexpr absl::Duration kLookForStalls = absl::Seconds(1);

std::string LastError() { return std::generic_category().message(errno); }

// A process that writes back what others wait for must not wait for their memory; one that holds a
// key must not leave a core file.
void Harden() {
  prctl(PR_SET_NAME, "berth-data-io");
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) {
    LogLine(
        "degraded: this I/O process cannot be marked as an I/O flusher; under memory pressure "
        "writeback may stall; grant CAP_SYS_RESOURCE")
        .Field("error", LastError())
        .Write(spdlog::level::warn);
  }
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    LogLine(
        "degraded: the memory of this I/O process cannot be locked; grant CAP_IPC_LOCK or raise "
        "the limit of locked memory")
        .Field("error", LastError())
        .Write(spdlog::level::warn);
  }
}

class IoProcess {
 public:
  explicit IoProcess(IoChannel channel) : channel_(std::move(channel)) {}

  Status Run() {
    Command command;
    BERTH_RETURN_IF_ERROR(channel_.Receive(command));
    if (!command.has_open()) return absl::InternalError("the first command is not `open`");
    const Open open = command.open();
    if (open.probe()) return RbdImageClient::Connect(open).status();
    TakeDescriptors(open.fuse_descriptors());
    // Whatever else it may be told: two at once never serve a connection.
    BERTH_ASSIGN_OR_RETURN(memory_lock_, LockRequestMemory(memory_));
    BERTH_ASSIGN_OR_RETURN(client_, RbdImageClient::Connect(open));
    Report connected;
    connected.mutable_connected()->set_instance(client_->address());
    Tell(connected);
    if (!open.read_only() && !open.instance_files().empty()) MakeInstanceFile(open);
    BERTH_ASSIGN_OR_RETURN(session_, ImageSession::Open(open, *client_));
    const Status served = ReportAndServe(open);
    // Nothing can be flushed, released or recorded any more, and librbd may wait for it for ever.
    if (fenced_) return FencedError();
    const Status closed = yielded_ ? session_->CloseForSuccessor() : session_->Close();
    // Nothing was asked for between fence and end. A successor would find out by itself.
    if (!yielded_ && ErrnoOf(closed) == ESHUTDOWN) {
      TellFenced();
      return FencedError();
    }
    return served.ok() ? closed : served;
  }

  // The last word: how Run ended.
  void TellEnd(const Status& status) {
    Report report;
    report.mutable_ended()->set_code(static_cast<int>(status.code()));
    report.mutable_ended()->set_message(std::string(status.message()));
    report.mutable_ended()->set_yielded(yielded_);
    report.mutable_ended()->set_unserved(!served_);
    Tell(report);
  }

 private:
  // berth-data may be gone; then nobody is there to be told.
  void Tell(const Report& report) {
    if (const Status status = channel_.Send(report); !status.ok()) {
      LogLine("berth-data is not there to be told")
          .Field("error", std::string(status.message()))
          .Write(spdlog::level::warn);
    }
  }

  static Status FencedError() {
    return absl::AbortedError("this client was fenced; what was not synced is lost");
  }

  void TellFenced() {
    fenced_ = true;
    Report report;
    report.mutable_fenced();
    Tell(report);
  }

  // Before the claim says anything of this instance, so that none is fenced without a file.
  void MakeInstanceFile(const Open& open) {
    StatusOr<InstanceFile> file = InstanceFile::Make(open.instance_files(), client_->address(),
                                                     {.cluster = open.cluster(),
                                                      .pool = open.pool(),
                                                      .rados_namespace = open.rados_namespace(),
                                                      .image = open.image()});
    if (file.ok()) {
      instance_file_ = *std::move(file);
      return;
    }
    LogLine(
        "nothing will show that this I/O process is gone; a fence of it stays until this node "
        "boots")
        .Field("error", std::string(file.status().message()))
        .Write(spdlog::level::warn);
  }

  void TakeDescriptors(uint32_t fuse) {
    int fd = kFirstFuseFd;
    for (uint32_t i = 0; i < fuse; ++i) fuse_.emplace_back(fd++);
    memory_ = Fd(fd);
    for (int taken = kFirstFuseFd; taken <= fd; ++taken) fcntl(taken, F_SETFD, FD_CLOEXEC);
  }

  Status ReportAndServe(const Open& open) {
    BERTH_ASSIGN_OR_RETURN(RbdBackend backend, RbdBackend::Make(client_->image()));
    Report opened;
    opened.mutable_opened()->set_size_bytes(backend.size_bytes());
    Tell(opened);
    Command command;
    // Close, or nobody is there who could ask for more: end without having served.
    if (!channel_.Receive(command).ok() || !command.has_serve()) return absl::OkStatus();
    FuseServer::Options options;
    options.read_only = open.read_only();
    options.resend = !open.replay();
    options.on_fenced = [this] { TellFenced(); };
    BERTH_ASSIGN_OR_RETURN(RequestMemory memory, RequestMemory::Map(memory_));
    std::vector<int> descriptors;
    for (const Fd& fd : fuse_) descriptors.push_back(fd.get());
    FuseServer server(std::move(descriptors), backend, memory, std::move(options));
    StatusOr<std::unique_ptr<SizeWatch>> size_watch = WatchSize(open);
    BERTH_RETURN_IF_ERROR(size_watch.status());
    {
      const auto serving = serving_.Lock();
      serving->server = &server;
      // It may have grown while nobody served it.
      serving->header_changed = open.succeeds();
    }
    served_ = true;
    std::thread([this] { FollowCommands(); }).detach();
    std::thread watch([this, &server] { WatchForStalls(server); });
    std::thread grow([this, &backend, &open] { FollowSize(backend, open.succeeds()); });
    const Status served = server.Serve();
    {
      auto serving = serving_.Lock();
      serving->server = nullptr;
      serving.NotifyAll();
    }
    watch.join();
    grow.join();
    return served;
  }

  void WatchForStalls(const FuseServer& server) {
    bool stalled = false;
    for (;;) {
      {
        auto serving = serving_.Lock();
        const absl::Time next = absl::Now() + kLookForStalls;
        if (serving.WaitUntil(next, [&] { return serving->server == nullptr; })) return;
      }
      const absl::Duration longest = server.LongestWait();
      const bool stalled_now = longest >= kStalled;
      if (stalled_now || stalled) {
        Report report;
        report.mutable_stalled()->set_seconds(
            stalled_now ? static_cast<uint32_t>(absl::ToInt64Seconds(longest)) : 0);
        Tell(report);
      }
      stalled = stalled_now;
    }
  }

  StatusOr<std::unique_ptr<SizeWatch>> WatchSize(const Open& open) {
    if (open.read_only()) return nullptr;
    return SizeWatch::Start(client_->image(), [this] {
      auto serving = serving_.Lock();
      serving->header_changed = true;
      serving.NotifyAll();
    });
  }

  // Until it serves no more. `tell`: even when the size is what it was.
  void FollowSize(RbdBackend& backend, bool tell) {
    for (;;) {
      {
        auto serving = serving_.Lock();
        serving.WaitUntil(absl::InfiniteFuture(),
                          [&] { return serving->server == nullptr || serving->header_changed; });
        if (serving->server == nullptr) return;
        serving->header_changed = false;
      }
      const StatusOr<bool> grown = backend.Grow();  // blocks while Ceph does not answer
      if (!grown.ok() || !(*grown || tell)) continue;
      tell = false;
      {
        const auto serving = serving_.Lock();
        if (serving->server == nullptr) return;
        serving->server->TellSize();
      }
      Report report;
      report.mutable_resized()->set_size_bytes(backend.size_bytes());
      Tell(report);
    }
  }

  // While it serves. It goes on when berth-data is gone.
  void FollowCommands() {
    Command command;
    while (channel_.Receive(command).ok()) {
      if (!command.has_yield()) continue;
      const auto serving = serving_.Lock();
      if (serving->server == nullptr) return;
      yielded_ = true;
      serving->server->Stop();
    }
  }

  struct Serving {
    FuseServer* server = nullptr;
    bool header_changed = false;
  };

  IoChannel channel_;
  std::vector<Fd> fuse_;
  Fd memory_;
  Fd memory_lock_;
  std::optional<InstanceFile> instance_file_;
  std::unique_ptr<RbdImageClient> client_;
  std::unique_ptr<ImageSession> session_;
  std::atomic<bool> fenced_ = false;
  std::atomic<bool> yielded_ = false;
  bool served_ = false;
  Synchronized<Serving> serving_;
};

}  // namespace

int RunIoProcess() {
  struct stat channel = {};
  if (fstat(kIoChannelFd, &channel) != 0 || !S_ISSOCK(channel.st_mode)) {
    LogLine("berth-data io is started by berth-data itself and cannot be called")
        .Write(spdlog::level::err);
    return 1;
  }
  fcntl(kIoChannelFd, F_SETFD, FD_CLOEXEC);
  Harden();
  IoProcess process{IoChannel(Fd(kIoChannelFd))};
  const Status status = process.Run();
  process.TellEnd(status);
  // Not through exit handlers: a fenced client's threads may never end.
  spdlog::shutdown();
  _exit(status.ok() ? 0 : 1);
}

Status StatusOf(const data::io::v1::Ended& ended) {
  return Status(static_cast<absl::StatusCode>(ended.code()), ended.message());
}

}  // namespace berth
