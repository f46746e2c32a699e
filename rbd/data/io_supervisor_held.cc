// What one supervisor gives to another, and what others keep meanwhile (held_volume.proto).
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "rbd/data/io_supervisor.h"

namespace berth {
namespace {

data::held::v1::Error ToMessage(const Status& status) {
  data::held::v1::Error error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(std::string(status.message()));
  return error;
}

Status FromMessage(const data::held::v1::Error& error) {
  return Status(static_cast<absl::StatusCode>(error.code()), error.message());
}

// The numbers are the protocol's; a state that this version does not know is one in which the
// process decides.
data::held::v1::Io::State ToMessage(IoSupervisor::State state) {
  static_assert(static_cast<int>(IoSupervisor::State::kGone) == data::held::v1::Io::GONE);
  return static_cast<data::held::v1::Io::State>(state);
}

IoSupervisor::State FromMessage(data::held::v1::Io::State state) {
  return data::held::v1::Io::State_IsValid(state) ? static_cast<IoSupervisor::State>(state)
                                                  : IoSupervisor::State::kServing;
}

}  // namespace

void IoSupervisor::TakeOver(HeldIo held) {
  size_t taken = 0;
  const auto next = [&] {
    return taken < held.descriptors.size() ? std::move(held.descriptors[taken++]) : Fd();
  };
  for (uint32_t i = 0; i < held.state.fuse_descriptors(); ++i) fuse_.push_back(next());
  if (held.state.has_memory()) memory_ = next();
  if (held.state.has_process()) process_ = ChildProcess::Adopt(next());
  if (held.state.has_channel()) channel_.emplace(next());
  const auto shared = shared_.Lock();
  shared->state = FromMessage(held.state.state());
  if (held.state.has_error()) shared->status = FromMessage(held.state.error());
  shared->instance = instance_ = held.state.instance();
  shared->fenced = held.state.fenced();
  shared->serve_asked = held.state.serve_asked();
  shared->device_confirmed = held.state.device_confirmed();
  shared->close_asked = held.state.close_asked();
  dead_instances_ = {held.state.dead_instances().begin(), held.state.dead_instances().end()};
  closed_instances_ = {held.state.closed_instances().begin(), held.state.closed_instances().end()};
  if (held.state.has_ended()) ended_ = FromMessage(held.state.ended());
  replacing_ = held.state.replacing();
  unserved_ = held.state.unserved();
  if (replacing_) kill_at_ = absl::Now() + kYieldTimeout;
  served_since_ = absl::Now();
  if (shared->state != State::kRecovering) return;
  if (!process_) {
    // The other one waited before it would have started the next process.
    retry_at_ = absl::Now();
    return;
  }
  // Whether this one has opened its image, has said so and serves already, only the other one knew.
  // Told once more it does what it has not done.
  SendServe();
  shared->state = State::kServing;
}

data::held::v1::Io IoSupervisor::Describe() {
  data::held::v1::Io io;
  const auto shared = shared_.Lock();
  io.set_state(ToMessage(shared->state));
  if (!shared->status.ok()) *io.mutable_error() = ToMessage(shared->status);
  io.set_instance(shared->instance);
  io.set_fenced(shared->fenced);
  io.set_serve_asked(shared->serve_asked);
  io.set_device_confirmed(shared->device_confirmed);
  io.set_close_asked(shared->close_asked);
  for (const std::string& dead : dead_instances_) io.add_dead_instances(dead);
  for (const std::string& closed : closed_instances_) io.add_closed_instances(closed);
  if (ended_) *io.mutable_ended() = ToMessage(*ended_);
  io.set_replacing(replacing_);
  io.set_unserved(unserved_);
  io.set_fuse_descriptors(static_cast<uint32_t>(fuse_.size()));
  io.set_has_memory(memory_.valid());
  io.set_has_process(process_.has_value());
  io.set_has_channel(channel_.has_value());
  return io;
}

HeldIo IoSupervisor::GiveUp() {
  shared_.Lock()->abandoned = true;
  Wake();
  thread_.join();
  HeldIo held = {.state = Describe(), .descriptors = std::move(fuse_)};
  if (memory_.valid()) held.descriptors.push_back(std::move(memory_));
  if (process_) held.descriptors.push_back(std::move(*process_).TakePidfd());
  if (channel_) held.descriptors.push_back(channel_->Release());
  return held;
}

void IoSupervisor::KeepDescriptors() {
  std::vector<int> descriptors;
  for (const Fd& fd : fuse_) descriptors.push_back(fd.get());
  if (memory_.valid()) descriptors.push_back(memory_.get());
  if (process_) descriptors.push_back(process_->pidfd());
  if (channel_) descriptors.push_back(channel_->fd());
  const data::held::v1::Io io = Describe();
  // Without a device there is nothing that would be worth going on with.
  if (io.device_confirmed()) options_.keep(io, descriptors);
  auto shared = shared_.Lock();
  shared->keep_asked = false;
  shared.NotifyAll();
}

}  // namespace berth
