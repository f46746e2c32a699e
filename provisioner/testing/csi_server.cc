#include "provisioner/testing/csi_server.h"

#include <algorithm>

namespace berth::provisioner {
namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

template <typename Locked>
TestCsiServer::Volume* FindById(Locked& state, const std::string& id) {
  for (auto& [name, volume] : state->volumes) {
    if (volume.id == id) return &volume;
  }
  return nullptr;
}

}  // namespace

class TestCsiServer::Identity final : public csi::v1::Identity::Service {
 public:
  explicit Identity(std::string name) : name_(std::move(name)) {}
  Status GetPluginInfo(ServerContext*, const csi::v1::GetPluginInfoRequest*,
                       csi::v1::GetPluginInfoResponse* response) override {
    response->set_name(name_);
    response->set_vendor_version("1");
    return Status::OK;
  }
  Status GetPluginCapabilities(ServerContext*, const csi::v1::GetPluginCapabilitiesRequest*,
                               csi::v1::GetPluginCapabilitiesResponse* response) override {
    response->add_capabilities()->mutable_service()->set_type(
        csi::v1::PluginCapability::Service::CONTROLLER_SERVICE);
    return Status::OK;
  }

 private:
  const std::string name_;
};

class TestCsiServer::Controller final : public csi::v1::Controller::Service {
 public:
  explicit Controller(Synchronized<State>& state) : state_(state) {}

  Status ControllerGetCapabilities(ServerContext*, const csi::v1::ControllerGetCapabilitiesRequest*,
                                   csi::v1::ControllerGetCapabilitiesResponse* response) override {
    using Rpc = csi::v1::ControllerServiceCapability::RPC;
    for (const Rpc::Type type : {Rpc::CREATE_DELETE_VOLUME, Rpc::PUBLISH_UNPUBLISH_VOLUME,
                                 Rpc::PUBLISH_READONLY, Rpc::SINGLE_NODE_MULTI_WRITER}) {
      response->add_capabilities()->mutable_rpc()->set_type(type);
    }
    return Status::OK;
  }

  Status CreateVolume(ServerContext* context, const csi::v1::CreateVolumeRequest* request,
                      csi::v1::CreateVolumeResponse* response) override {
    return Carry(*context, "CreateVolume", request->name(), [&](auto& state) {
      auto [found, is_new] = state->volumes.try_emplace(request->name());
      Volume& volume = found->second;
      if (is_new) {
        volume.id = "id-" + request->name();
        volume.request = *request;
      } else if (volume.request.capacity_range().required_bytes() !=
                 request->capacity_range().required_bytes()) {
        return Status(StatusCode::ALREADY_EXISTS, "volume exists with another size");
      }
      response->mutable_volume()->set_volume_id(volume.id);
      response->mutable_volume()->set_capacity_bytes(
          volume.request.capacity_range().required_bytes());
      (*response->mutable_volume()->mutable_volume_context())["made-by"] = "test";
      return Status::OK;
    });
  }

  Status DeleteVolume(ServerContext* context, const csi::v1::DeleteVolumeRequest* request,
                      csi::v1::DeleteVolumeResponse*) override {
    return Carry(*context, "DeleteVolume", request->volume_id(), [&](auto& state) {
      const Volume* volume = FindById(state, request->volume_id());
      if (volume == nullptr) return Status::OK;
      if (!volume->published_to.empty()) {
        return Status(StatusCode::FAILED_PRECONDITION, "volume is published");
      }
      const std::string name = volume->request.name();
      state->volumes.erase(name);
      return Status::OK;
    });
  }

  Status ControllerPublishVolume(ServerContext* context,
                                 const csi::v1::ControllerPublishVolumeRequest* request,
                                 csi::v1::ControllerPublishVolumeResponse* response) override {
    return Carry(*context, "ControllerPublishVolume", request->volume_id(), [&](auto& state) {
      Volume* volume = FindById(state, request->volume_id());
      if (volume == nullptr) return Status(StatusCode::NOT_FOUND, "no such volume");
      volume->published_to.insert(request->node_id());
      (*response->mutable_publish_context())["device"] = "/dev/" + request->node_id();
      return Status::OK;
    });
  }

  Status ControllerUnpublishVolume(ServerContext* context,
                                   const csi::v1::ControllerUnpublishVolumeRequest* request,
                                   csi::v1::ControllerUnpublishVolumeResponse*) override {
    return Carry(*context, "ControllerUnpublishVolume", request->volume_id(), [&](auto& state) {
      Volume* volume = FindById(state, request->volume_id());
      if (volume != nullptr) volume->published_to.erase(request->node_id());
      return Status::OK;
    });
  }

 private:
  // Notes the call, waits while its method is held, takes the next fault for it, and carries
  // `effect` out unless the fault comes before it.
  template <typename Effect>
  Status Carry(ServerContext& context, const std::string& method, const std::string& object,
               const Effect& effect) {
    auto state = state_.Lock();
    state->calls.push_back(method + " " + object);
    state.NotifyAll();
    while (state->held.contains(method)) {
      if (context.IsCancelled()) return Status::CANCELLED;
      state.WaitUntil(absl::Now() + absl::Milliseconds(100),
                      [&] { return !state->held.contains(method); });
    }
    const auto fault =
        std::find_if(state->faults.begin(), state->faults.end(),
                     [&](const Fault& candidate) { return candidate.method == method; });
    if (fault == state->faults.end()) {
      Status result = effect(state);
      state.NotifyAll();
      return result;
    }
    const Fault taken = *fault;
    state->faults.erase(fault);
    if (taken.takes_effect) effect(state);
    state.NotifyAll();
    return Status(taken.code, taken.message);
  }

  Synchronized<State>& state_;
};

TestCsiServer::TestCsiServer()
    : identity_(std::make_unique<Identity>(name())),
      controller_(std::make_unique<Controller>(state_)) {
  grpc::ServerBuilder builder;
  builder.RegisterService(identity_.get());
  builder.RegisterService(controller_.get());
  server_ = builder.BuildAndStart();
  channel_ = server_->InProcessChannel(grpc::ChannelArguments());
}

TestCsiServer::~TestCsiServer() {
  {
    auto state = state_.Lock();
    state->held.clear();
    state.NotifyAll();
  }
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

void TestCsiServer::LetGo(const std::string& method) {
  auto state = state_.Lock();
  state->held.erase(method);
  state.NotifyAll();
}

bool TestCsiServer::WaitUntil(const std::function<bool(const State&)>& condition) {
  auto state = state_.Lock();
  return state.WaitUntil(absl::Now() + absl::Seconds(30), [&] { return condition(*state); });
}

std::vector<std::string> TestCsiServer::VolumeNames() {
  std::vector<std::string> names;
  for (const auto& [name, volume] : state_.Lock()->volumes) names.push_back(name);
  return names;
}

size_t TestCsiServer::Count(const std::string& call) {
  auto state = state_.Lock();
  return static_cast<size_t>(std::count(state->calls.begin(), state->calls.end(), call));
}

}  // namespace berth::provisioner
