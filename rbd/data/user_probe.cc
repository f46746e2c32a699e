#include "rbd/data/user_probe.h"

#include <csignal>
#include <utility>

#include "base/fd.h"
#include "base/process.h"
#include "rbd/data/io_channel.h"
#include "rbd/data/io_process.h"

namespace berth {
namespace {

// The last word of the process: it ends by itself afterwards.
StatusOr<Status> AwaitEnd(const IoChannel& channel, absl::Time deadline) {
  for (;;) {
    data::io::v1::Report report;
    std::vector<Fd> descriptors;
    BERTH_RETURN_IF_ERROR(channel.Receive(report, descriptors, deadline));
    if (report.has_ended()) return StatusOf(report.ended());
  }
}

}  // namespace

Status ProbeUser(const std::vector<std::string>& command, data::io::v1::Open open,
                 absl::Time deadline) {
  BERTH_ASSIGN_OR_RETURN(auto ends, IoChannel::MakePair());
  BERTH_ASSIGN_OR_RETURN(ChildProcess process,
                         ChildProcess::Start(command, {{ends.second.fd(), kIoChannelFd}}));
  ends.second.Release();
  data::io::v1::Command first;
  *first.mutable_open() = std::move(open);
  first.mutable_open()->set_probe(true);
  Status sent = ends.first.Send(first);
  const StatusOr<Status> end = sent.ok() ? AwaitEnd(ends.first, deadline) : std::move(sent);
  if (!end.ok()) process.Signal(SIGKILL).IgnoreError();
  process.Wait(absl::InfiniteFuture()).IgnoreError();
  return end.ok() ? *end : end.status();
}

}  // namespace berth
