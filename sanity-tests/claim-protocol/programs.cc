#include "programs.h"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "io_process.pb.h"
#include "rbd/data/image_session.h"
#include "rbd/revoking.h"
#include "rbd/volume_claims.h"

namespace berth::exploration {
namespace {

// The same call may be tried again; everything else is the end of it.
bool IsFinal(const Status& status) {
  return status.ok() || absl::IsFailedPrecondition(status) || absl::IsNotFound(status);
}

}  // namespace

std::string Orchestrator::Fingerprint() const {
  std::string text = std::to_string(controllers);
  for (const auto& [node, epoch] : staged) text += fmt::format(" {}:{}", node, epoch);
  return text;
}

void MakeVolume(World& world) {
  MemoryRados::Client client{.address = "admin"};
  Registry registry(std::make_unique<MemoryOmap>(world.rados, client));
  VolumeRecord record;
  record.image = kImage;
  record.image_id = "id";
  record.state = VolumeState::kReady;
  ASSERT_TRUE(registry.Insert(record).ok());
  world.rados.image.name = kImage;
}

Controller::Controller(World& world, Orchestrator& orchestrator, std::string name,
                       std::vector<Call> calls)
    : world_(world),
      orchestrator_(orchestrator),
      name_(std::move(name)),
      calls_(std::move(calls)),
      client_({.address = name_}),
      fencer_(world.rados, client_),
      registry_(std::make_unique<MemoryOmap>(world.rados, client_)),
      fences_(std::make_unique<MemoryOmap>(world.rados, client_)) {}

void Controller::Run() {
  ++orchestrator_.controllers;
  for (size_t i = 0; i < calls_.size(); ++i) {
    for (bool answered = false; !answered;) {
      world_.Forget(fmt::format("call {} map {}", i, client_.map_epoch));
      try {
        const Status status = Make(calls_[i]);
        world_.Pass("answers");
        if (status.ok()) Hear(calls_[i]);
        answered = IsFinal(status);
      } catch (const MemoryRados::ProcessDied&) {
        client_.map_epoch = 0;  // the next process has none
      }
    }
  }
  --orchestrator_.controllers;
}

Status Controller::Make(const Call& call) {
  switch (call.kind) {
    case Call::Kind::kPublish:
      return Publish(call.node);
    case Call::Kind::kUnpublish:
      return Unpublish(call.node);
  }
  return absl::InternalError("unreachable call");
}

void Controller::Hear(const Call& call) {
  if (call.kind != Call::Kind::kPublish) return;
  uint64_t& epoch = orchestrator_.staged[call.node];
  epoch = std::max(epoch, published_epoch_);
}

Status Controller::Publish(const std::string& node) {
  const StatusOr<VolumeRecord> record = registry_.Update(kImage, [&](VolumeRecord& now) {
    return PublishVolume(now, node, AccessMode::kReadWriteOnce).status();
  });
  BERTH_RETURN_IF_ERROR(record.status());
  published_epoch_ = record->writer.epoch;
  return absl::OkStatus();
}

Status Controller::Unpublish(const std::string& node) {
  const WriterClaim before = Now().writer;
  const std::string holder = node.empty() ? before.node : node;
  const Status status = RevokeClaim({.registry = registry_,
                                     .fences = fences_,
                                     .fencer = fencer_,
                                     .now = absl::UnixEpoch(),
                                     .fence_duration = kFenceDuration},
                                    kImage, node);
  if (status.ok()) world_.promise.Unpublished(holder, before.epoch, world_.rados);
  return status;
}

// Seen from outside of the protocol: no operation of anybody.
VolumeRecord Controller::Now() const {
  const auto& entries = world_.rados.omaps.at(RegistryShard(kImage));
  return *ParseVolumeRecord(kImage, entries.begin()->second);
}

void Node::Run() {
  uint64_t done = 0;
  for (;;) {
    world_.Forget(State(done));
    world_.Wait(name_, "a claim", [this, done] {
      return orchestrator_.staged[name_] > done || orchestrator_.controllers == 0;
    });
    if (orchestrator_.staged[name_] <= done) return;
    done = orchestrator_.staged[name_];
    Use(done).IgnoreError();
  }
}

std::string Node::State(uint64_t epoch) const {
  return fmt::format("{} {} {} {}", epoch, boots_, processes_, absl::StrJoin(dead_, " "));
}

Status Node::Use(uint64_t epoch) {
  for (;;) {
    world_.Forget(State(epoch));
    const std::string instance = fmt::format("{}{}", name_, ++processes_);
    world_.promise.Started(instance, name_, epoch);
    try {
      Status status = UseOnce(epoch, instance);
      // Without an answer to its last word the process ends all the same.
      world_.promise.Died(instance);
      return status;
    } catch (const MemoryRados::ProcessDied&) {
      world_.promise.Died(instance);
      dead_.push_back(instance);
      if (world_.Happens("the node boots")) {
        ++boots_;
        dead_.clear();
      } else if (world_.Happens("nobody on the node knows of it any more")) {
        dead_.clear();
      }
    }
  }
}

Status Node::UseOnce(uint64_t epoch, const std::string& instance) {
  data::io::v1::Open open;
  open.set_image(kImage);
  open.set_node_id(name_);
  open.set_boot_id(std::to_string(boots_));
  open.set_epoch(epoch);
  open.set_succeeds(!dead_.empty());
  for (const std::string& dead : dead_) open.add_dead_instances(dead);
  MemoryImageClient client(world_.rados, instance);
  Promise& promise = world_.promise;
  client.on_opened = [&promise, instance] { promise.Opened(instance); };
  client.on_closed = [&promise, instance] { promise.Closed(instance); };
  BERTH_ASSIGN_OR_RETURN(const std::unique_ptr<ImageSession> session,
                         ImageSession::Open(open, client));
  dead_.clear();
  BERTH_RETURN_IF_ERROR(client.ReadData([&promise, instance] { promise.ReadServed(instance); }));
  client.SubmitWrite("1", [&promise, instance] { promise.WriteServed(instance); });
  return session->Close();
}

}  // namespace berth::exploration
